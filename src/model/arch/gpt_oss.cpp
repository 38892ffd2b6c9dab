#include <fmt/core.h>

#include "base/error.h"
#include "model/arch/arch.h"

namespace assay::arch {

namespace {

/// One expert's part of a stack: logical rows [experts * rows, in], every `step`-th row from `first` on. Plain stacks
/// are stored transposed, [experts, in, rows]; those of MXFP4 (`name`_blocks, `name`_scales) are not.
LinearSpec part(const Source& source, const std::string& name, int64_t experts, int64_t rows, int64_t in, int64_t first,
                int64_t out, int64_t step, std::string dense_name) {
  LinearSpec linear;
  linear.module = source.stored(name);
  linear.dense_name = std::move(dense_name);
  linear.out = out;
  linear.in = in;
  linear.first_row = first;
  if (step > 1) linear.run = 1;
  linear.stride = step;
  linear.stored_rows = experts * rows;
  linear.bias = linear.module + "_bias";
  const bool packed = source.checkpoint.find(linear.module + "_blocks") != nullptr;
  linear.stack_rows = packed ? 0 : rows;
  return linear;
}

/// The experts of tools that have taken the stacks apart.
MlpSpec stored_alone(const Source& source, const Decoder& d, const std::string& expert, int64_t intermediate) {
  return {.activation = Activation::clamped_swiglu,
          .gate = source.linear(expert + ".gate_proj", intermediate, d.hidden, true),
          .up = source.linear(expert + ".up_proj", intermediate, d.hidden, true),
          .down = source.linear(expert + ".down_proj", d.hidden, intermediate, true)};
}

MoeSpec experts_of(const Source& source, const Decoder& d, const MoeShape& shape, int64_t layer) {
  const std::string mlp = fmt::format("layers.{}.mlp", layer), stack = mlp + ".experts.";
  const int64_t wide = 2 * shape.intermediate;
  MoeSpec moe;
  moe.router = source.linear(mlp + ".router", shape.experts, d.hidden, true);
  moe.routing = shape.routing;  // softmax over the chosen logits alone is softmax over all, renormalized
  const bool alone = source.has_module(source.stored(stack + "0.gate_proj"));
  for (int64_t e = 0; e < shape.experts; ++e) {
    if (alone) {
      moe.experts.push_back(stored_alone(source, d, fmt::format("{}{}", stack, e), shape.intermediate));
      continue;
    }
    const std::string expert = source.dense(fmt::format("{}{}.", stack, e));
    const auto gate_up = [&](int64_t parity, const char* what) {
      return part(source, stack + "gate_up_proj", shape.experts, wide, d.hidden, e * wide + parity, shape.intermediate,
                  2, expert + what);
    };
    moe.experts.push_back({.activation = Activation::clamped_swiglu,
                           .gate = gate_up(0, "gate_proj.weight"),
                           .up = gate_up(1, "up_proj.weight"),
                           .down = part(source, stack + "down_proj", shape.experts, d.hidden, shape.intermediate,
                                        e * d.hidden, d.hidden, 1, expert + "down_proj.weight")});
  }
  return moe;
}

}  // namespace

/// Llama with attention sinks, biases everywhere, windows on every other layer and a mixture of experts whose gate and
/// up rows alternate in one stack.
ModelSpec gpt_oss(Source& source) {
  Keys& keys = source.keys;
  Decoder decoder = read_decoder(source, {.norm_eps = 1e-5, .head_dim = 64, .rope = {.theta = 150000}});
  decoder.qkv_bias = decoder.o_bias = keys.boolean_or("attention_bias", true);
  decoder.windows = read_windows(keys, decoder.layers, keys.size_or("sliding_window", 128),
                                 [](int64_t layer) { return layer % 2 == 0; });
  const MoeShape shape = read_moe(keys, "num_local_experts", "intermediate_size");
  if (keys.number_or("swiglu_alpha", 1.702) != 1.702) keys.refuse("swiglu_alpha", "1.702");
  if (keys.number_or("swiglu_limit", 7) != 7) keys.refuse("swiglu_limit", "7");
  keys.ignore({"hidden_act"});
  return build(source, decoder, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer, experts_of(source, decoder, shape, layer));
    spec.attention().sinks = source.stored(fmt::format("layers.{}.self_attn.sinks", layer));
    return spec;
  });
}

}  // namespace assay::arch
