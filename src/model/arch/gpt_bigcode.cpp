#include "model/arch/gpt.h"

namespace assay::arch {

/// GPT-2 with weights stored as usual, and one key and value for all heads.
ModelSpec gpt_bigcode(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = gpt_defaults();
  defaults.tied = true;
  defaults.activation = "gelu_pytorch_tanh";
  if (keys.boolean_or("multi_query", true)) defaults.kv_heads = 1;
  defaults.names.qkv = "c_attn";
  defaults.names.o = defaults.names.down = "c_proj";
  defaults.names.up = "c_fc";
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_layout = Decoder::Qkv::by_kv_head;
  if (!keys.boolean_or("scale_attn_weights", true)) decoder.score_scale = 1;
  keys.ignore({"n_ctx", "num_key_value_heads", "inference_runner", "max_batch_size", "max_sequence_length",
               "pad_key_length", "pre_allocate_kv_cache", "validate_runner_input"});
  return build_with_positions(source, decoder, "wpe", 0);
}

}  // namespace assay::arch
