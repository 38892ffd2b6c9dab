#pragma once
#include "formats/format.h"

namespace assay::gguf {

inline constexpr const char* kMethod = "gguf";

/// What llama.cpp does to activations when it runs on a CPU, in the place of a quantization config. A GGUF file
/// declares nothing, and GPUs do otherwise, so that this is not what deployment means by itself.
QuantConfig llama_cpp_runtime();

/// The rounding of a product's input by the type of its weight, where the config is llama_cpp_runtime(); else none.
ActivationQuant input_quant(const Module& module, DType weight);
/// Keys and values are kept as f16.
AttentionQuant attention_quant();

}  // namespace assay::gguf
