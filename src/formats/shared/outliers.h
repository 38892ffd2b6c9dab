#pragma once
#include "formats/shared/activation.h"

namespace assay {

/// ActivationQuant::Scope::call, as LLM.int8() does it: rows + i * stride are the tokens of one call. A column where
/// any of them reaches the threshold stays as it is, in all of them; the rest is int8 under each token's largest
/// magnitude below the threshold. What decides and what is rounded is float16.
void quantize_call(const ActivationQuant& quant, float* rows, int64_t count, int64_t cols, int64_t stride);

}  // namespace assay
