#include <fmt/core.h>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/arch.h"

namespace assay {

namespace {

constexpr int64_t kMaxExperts = 1 << 16;

MlpSpec stored_alone(const Source& source, const Decoder& d, const std::string& expert, const MoeShape& shape) {
  return {.activation = d.activation,
          .gate = source.linear(expert + "." + shape.gate, shape.intermediate, d.hidden),
          .up = source.linear(expert + "." + shape.up, shape.intermediate, d.hidden),
          .down = source.linear(expert + "." + shape.down, d.hidden, shape.intermediate)};
}

/// Rows of a stacked tensor [experts, rows, in], seen as the matrix [experts * rows, in].
LinearSpec slice(const StoredTensor& stack, int64_t first, int64_t out, std::string dense_name) {
  LinearSpec linear;
  linear.module = stack.name;
  linear.dense_name = std::move(dense_name);
  linear.out = out;
  linear.in = stack.shape[2];
  linear.first_row = first;
  linear.stored_rows = stack.shape[0] * stack.shape[1];
  return linear;
}

const StoredTensor& stack_of(const Source& source, const std::string& name, const std::vector<int64_t>& shape) {
  const StoredTensor& stack = source.checkpoint.at(source.stored(name));
  if (stack.shape == shape) return stack;
  fail("{}: tensor {}: config.json calls for shape [{}, {}, {}], found {}", source.checkpoint.path().string(),
       printable(stack.name), shape[0], shape[1], shape[2], stack.describe());
}

}  // namespace

MoeShape read_moe(Keys& keys, const char* experts_key, const char* intermediate_key) {
  MoeShape shape;
  shape.experts = keys.size(experts_key);
  if (shape.experts > kMaxExperts) keys.refuse(experts_key, fmt::format("at most {} experts", kMaxExperts));
  shape.top_k = keys.size("num_experts_per_tok");
  if (shape.top_k > shape.experts) keys.refuse("num_experts_per_tok", fmt::format("at most {}", shape.experts));
  shape.intermediate = keys.size(intermediate_key);
  return shape;
}

MoeSpec moe(const Source& source, const Decoder& d, const std::string& module, const MoeShape& shape) {
  MoeSpec moe;
  moe.router = source.linear(module + ".gate", shape.experts, d.hidden);
  moe.top_k = shape.top_k;
  moe.renormalize = shape.renormalize;

  const std::string experts = module + ".experts";
  if (!source.has_module(source.stored(experts + ".gate_up_proj"))) {
    for (int64_t e = 0; e < shape.experts; ++e) {
      moe.experts.push_back(stored_alone(source, d, fmt::format("{}.{}", experts, e), shape));
    }
    return moe;
  }
  const int64_t wide = shape.intermediate;
  const StoredTensor& gate_up = stack_of(source, experts + ".gate_up_proj", {shape.experts, 2 * wide, d.hidden});
  const StoredTensor& down = stack_of(source, experts + ".down_proj", {shape.experts, d.hidden, wide});
  for (int64_t e = 0; e < shape.experts; ++e) {
    const std::string expert = Source::dense(fmt::format("{}.{}.", experts, e));
    moe.experts.push_back({.activation = d.activation,
                           .gate = slice(gate_up, 2 * wide * e, wide, expert + shape.gate + ".weight"),
                           .up = slice(gate_up, 2 * wide * e + wide, wide, expert + shape.up + ".weight"),
                           .down = slice(down, d.hidden * e, d.hidden, expert + shape.down + ".weight")});
  }
  return moe;
}

}  // namespace assay
