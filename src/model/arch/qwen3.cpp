#include "model/arch/arch.h"

namespace assay::arch {

namespace {

ModelSpec read(Source& source, double theta) {
  Decoder decoder = read_decoder(source, {.head_dim = 128, .rope = {.theta = theta}});
  decoder.qkv_bias = decoder.o_bias = source.keys.boolean_or("attention_bias", false);
  decoder.qk_norm = Decoder::QkNorm::head;
  decoder.windows = read_qwen_windows(source.keys, decoder.layers);
  return build(source, decoder);
}

}  // namespace

/// Llama with normalized q and k and Qwen's windows.
ModelSpec qwen3(Source& source) {
  return read(source, 10000);
}

/// The same inside of Qwen3-VL. What its vision tower adds to the first layers, it adds where images stand.
ModelSpec qwen3_vl_text(Source& source) {
  return read(source, 500000);
}

}  // namespace assay::arch
