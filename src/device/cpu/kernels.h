#pragma once
#include <cstdint>

#include "device/device.h"

namespace assay {

/// Nearest bf16, ties to even; NaN stays NaN.
void to_bf16(const float* values, int64_t count, uint16_t* out);
/// The same, kept as float32.
void round_to_bf16(float* values, int64_t count);

/// Makes logits of products [rows, cols] with the weight's rows from `first` on.
void shape_logits(const LogitShape& shape, int64_t first, int64_t cols, int64_t rows, float* products);

// One row of logits, of the ids from first_id on, folded into a running state.

/// Clamps the logits at -200 from below, in place.
void fold_logits(float* logits, int64_t count, int64_t first_id, int32_t target, LogitSummary& state);
void clamp_logits(float* logits, int64_t count);
/// These want clamped logits.
void fold_top(const float* logits, int64_t count, int64_t first_id, TopLogits& top);
void fold_comparison(const float* logits, const float* reference, int64_t count, int64_t first_id,
                     LogitComparison& state);
/// The same row once more, when `state` has seen all of it: adds its part of the Jensen-Shannon divergence.
void fold_jensen_shannon(const float* logits, const float* reference, int64_t count, const LogitComparison& state,
                         double& sum);

}  // namespace assay
