#include <fmt/core.h>

#include <cmath>

#include "report/pairs.h"
#include "report/table.h"

namespace assay {

namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

/// Every digit; empty where there is no number.
std::string csv_number(double value) {
  return std::isnan(value) ? "" : fmt::format("{}", value);
}

std::string csv_place(int place) {
  return place == 0 ? "" : fmt::format("{}", place);
}

std::vector<std::string> columns() {
  std::vector<std::string> names = {"label",         "model_dir", "status",   "format",   "precision", "activations",
                                    "decoder_bpw",   "head_bpw",  "file_bpw", "vram_gib", "mean_nll",  "nll_se",
                                    "ppl",           "ppl_se",    "seconds",  "error",    "role",      "place_ppl",
                                    "kld_reference", "kld",       "kld_se"};
  for (const QuantileKind& kind : kQuantiles) names.push_back(std::string("kld_") + kind.name);
  for (const char* name : {"kld_max", "kld_compare_q", "kld_reverse", "kld_nonfinite_share", "top1_agree",
                           "ref_top1_in_model_top5", "top5_overlap", "place_kld", "at_floor"})
    names.emplace_back(name);
  return names;
}

std::vector<std::string> storage_cells(const ModelResult& model) {
  if (!model.storage) return std::vector<std::string>(4);
  const Storage& s = *model.storage;
  return {csv_number(s.decoder.bpw()), csv_number(s.head.bpw()), csv_number(model.file_bpw()),
          csv_number(s.vram_gib())};
}

std::vector<std::string> measured_cells(const ModelResult& model) {
  if (!model.measured) return std::vector<std::string>(5);
  const Measurement& m = *model.measured;
  return {csv_number(m.mean_nll), csv_number(m.nll_se), csv_number(m.ppl), csv_number(m.ppl_se), csv_number(m.seconds)};
}

std::vector<std::string> kld_cells(const ModelResult& model) {
  if (!model.has_comparison()) return std::vector<std::string>(3 + kQuantiles.size() + 7);
  const Divergence& d = model.measured->comparison->divergence;
  std::vector<std::string> cells = {csv_field(model.measured->comparison->reference), csv_number(d.kld.mean),
                                    csv_number(d.kld.se)};
  for (const Quantile& quantile : d.quantiles) cells.push_back(csv_number(quantile.value));
  for (const double x : {d.max, d.compare_q, d.reverse.mean, d.nonfinite_share, d.agreement.top1.mean,
                         d.agreement.top5.mean, d.agreement.top5_common.mean})
    cells.push_back(csv_number(x));
  return cells;
}

std::string line(const std::vector<std::string>& cells) {
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) out += (i > 0 ? "," : "") + cells[i];
  return out + "\n";
}

}  // namespace

std::string results_csv(const Result& result) {
  const std::vector<int> place_ppl = places(result, Measure::nll), place_kld = places(result, Measure::kld);
  std::string out = line(columns());
  for (size_t i = 0; i < result.models.size(); ++i) {
    const ModelResult& model = result.models[i];
    std::vector<std::string> cells = {
        csv_field(model.label),       csv_field(model.model_dir),
        model.ok() ? "ok" : "failed", csv_field(model.storage ? model.storage->format : ""),
        csv_field(model.precision),   csv_field(model.activations)};
    const auto append = [&](const std::vector<std::string>& more) {
      cells.insert(cells.end(), more.begin(), more.end());
    };
    append(storage_cells(model));
    append(measured_cells(model));
    append({csv_field(model.error), name_of(model.role), csv_place(place_ppl[i])});
    append(kld_cells(model));
    append({csv_place(place_kld[i]), !model.has_comparison() ? "" : at_the_floor(result, i) ? "1" : "0"});
    out += line(cells);
  }
  return out;
}

}  // namespace assay
