#include "formats/gguf/runtime.h"

#include <nlohmann/json.hpp>

namespace assay::gguf {

namespace {

ActivationQuant without_scale(ActivationQuant::Element element) {
  ActivationQuant quant;
  quant.element = element;
  return quant;
}

ActivationQuant int8_of_groups(int64_t size) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::integer;
  quant.scope = ActivationQuant::Scope::group;
  quant.group_size = size;
  quant.top = 127;
  return quant;
}

/// 32 values; codes by the reciprocal of amax / 127, and back by that rounded to f16. Q8_1 adds sums to it.
ActivationQuant q8_0() {
  ActivationQuant quant = int8_of_groups(32);
  quant.scale_rule = ActivationQuant::ScaleRule::half;
  return quant;
}

/// 256 values, codes by 127 / amax in float32.
ActivationQuant q8_k() {
  ActivationQuant quant = int8_of_groups(256);
  quant.arithmetic = ActivationQuant::Arithmetic::inverse;
  quant.least_amax = 1e-30f;  // keeps the inverse finite
  return quant;
}

}  // namespace

QuantConfig llama_cpp_runtime() {
  return QuantConfig(kMethod, {{"activations", "llama.cpp"}}, "--activations");
}

ActivationQuant input_quant(const Module& module, DType weight) {
  if (module.config().method() != kMethod) return {};
  if (weight == DType::F16) return without_scale(ActivationQuant::Element::f16);
  if (weight == DType::BF16) return without_scale(ActivationQuant::Element::bf16);
  if (!is_blocked(weight)) return {};
  return block_of(weight).elements == 256 ? q8_k() : q8_0();
}

AttentionQuant attention_quant() {
  AttentionQuant quant;
  quant.k = quant.v = without_scale(ActivationQuant::Element::f16);
  return quant;
}

}  // namespace assay::gguf
