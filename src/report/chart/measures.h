#pragma once
#include <optional>
#include <string>

#include "report/chart/charts.h"
#include "report/result.h"

namespace assay {

/// Bits per decoder weight; the model spec's override where it has one.
double chart_bpw(const ModelResult& model);
/// Decoder and head in GiB, likewise.
double chart_vram(const ModelResult& model);
/// Mean KLD; NaN without a reference.
double chart_kld(const ModelResult& model);

std::optional<size_t> reference_of(const Result& result);
/// What perplexities are compared with: the reference, else the model with the lowest one.
std::optional<size_t> baseline_of(const Result& result);

/// What the text leaves open of a model's perplexity: the 95% interval of its paired difference from the baseline,
/// around its own value. Of its own error where there is no baseline to pair with.
Interval ppl_interval(const Result& result, size_t model, std::optional<size_t> baseline);
/// 95%, clustered.
Interval kld_interval(const ModelResult& model);
/// What the error bars of a chart are.
std::string bar_note(const Result& result, ChartY y);

/// Three decimals, and more where they would say nothing.
std::string kld_text(double kld);
/// Every number of a chart's point, exactly.
std::string summary_of(const ModelResult& model);
/// "wikitext2, 20 × 2048 tokens".
std::string subtitle_of(const Result& result);

}  // namespace assay
