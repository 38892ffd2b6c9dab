#include "report/chart/measures.h"

#include <fmt/core.h>

#include <cmath>

#include "report/chart/charts.h"
#include "report/pairs.h"

namespace assay {

double chart_bpw(const ModelResult& model) {
  if (model.override_bpw_layer) return *model.override_bpw_layer;
  return model.storage ? model.storage->decoder.bpw() : NAN;
}

double chart_vram(const ModelResult& model) {
  if (!model.storage) return NAN;
  return model.override_vram_bits ? model.compare_q().vram_gib : model.storage->vram_gib();
}

double chart_kld(const ModelResult& model) {
  return model.has_comparison() ? model.measured->comparison->divergence.kld.mean : NAN;
}

std::optional<size_t> reference_of(const Result& result) {
  for (size_t i = 0; i < result.models.size(); ++i)
    if (result.models[i].role == ModelRole::reference && result.models[i].ok() && result.models[i].measured) return i;
  return std::nullopt;
}

std::optional<size_t> baseline_of(const Result& result) {
  if (const auto reference = reference_of(result)) return reference;
  std::optional<size_t> best;
  for (size_t i = 0; i < result.models.size(); ++i) {
    const ModelResult& model = result.models[i];
    if (!model.ok() || !model.measured || std::isnan(model.measured->mean_nll)) continue;
    if (!best || model.measured->mean_nll < result.models[*best].measured->mean_nll) best = i;
  }
  return best;
}

Interval ppl_interval(const Result& result, size_t model, std::optional<size_t> baseline) {
  const Measurement& m = *result.models[model].measured;
  Estimate difference{m.mean_nll, m.nll_se, m.nll_df};
  if (baseline == model) return {};
  if (baseline)
    if (const auto paired = compare_models(result, model, *baseline).nll) difference = *paired;
  const Interval around = Estimate{0, difference.se, difference.df}.interval();
  return {m.ppl * std::exp(around.low), m.ppl * std::exp(around.high)};
}

Interval kld_interval(const ModelResult& model) {
  return model.has_comparison() ? model.measured->comparison->divergence.kld.interval() : Interval{};
}

std::string bar_note(const Result& result, ChartY y) {
  if (y == ChartY::kld)
    return fmt::format("Bars: 95% interval of the mean, clustered by {} of text.", result.data.clusters);
  const std::optional<size_t> baseline = baseline_of(result);
  return fmt::format("Bars: 95% interval of the difference from {} on the same tokens, clustered by {} of text.",
                     baseline ? result.models[*baseline].label : "", result.data.clusters);
}

std::string kld_text(double kld) {
  if (kld == 0 || std::abs(kld) >= 0.1) return fmt::format("{:.3f}", kld);
  return std::abs(kld) >= 1e-4 ? fmt::format("{:.{}f}", kld, std::abs(kld) >= 0.01 ? 4 : 5)
                               : fmt::format("{:.1e}", kld);
}

std::string summary_of(const ModelResult& model) {
  std::string text = model.label;
  if (model.storage) {
    text += fmt::format(" · {:.4f} bits per weight · {:.3f} GiB", chart_bpw(model), chart_vram(model));
    text += " · " + model.storage->format;
  }
  if (model.measured) {
    text += fmt::format(" · PPL {:.6g}", model.measured->ppl);
    if (!std::isnan(model.measured->ppl_se)) text += fmt::format(" ± {:.2g}", model.measured->ppl_se);
  }
  if (model.has_comparison()) {
    const Divergence& d = model.measured->comparison->divergence;
    text += fmt::format(" · KLD {:.6g}", d.kld.mean);
    if (!std::isnan(d.kld.se)) text += fmt::format(" ± {:.2g}", d.kld.se);
    text += fmt::format(" · median {:.4g} · p99 {:.4g} · same top-1 {:.2f}%", d.quantile("median").value,
                        d.quantile("p99").value, 100 * d.agreement.top1.mean);
  }
  return text;
}

std::string subtitle_of(const Result& result) {
  const DataRecord& data = result.data;
  if (!data.subtitle.empty()) return data.subtitle;
  return fmt::format("{}, {} × {} tokens", data.dataset, data.rows, data.length - data.warmup);
}

}  // namespace assay
