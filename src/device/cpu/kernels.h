#pragma once
#include <cstdint>

#include "device/device.h"

namespace assay {

/// Nearest bf16, ties to even; NaN stays NaN.
void to_bf16(const float* values, int64_t count, uint16_t* out);
/// The same, kept as float32.
void round_to_bf16(float* values, int64_t count);

/// Folds one row of logits, of the ids from first_id on, into a running summary. Logits below -200 count as -200.
void fold_logits(float* logits, int64_t count, int64_t first_id, int32_t target, LogitSummary& state);

}  // namespace assay
