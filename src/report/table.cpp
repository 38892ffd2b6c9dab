#include "report/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace assay {

namespace {

constexpr const char* kNothing = "-";

std::string fixed(double value, int digits) {
  return std::isnan(value) ? kNothing : fmt::format("{:.{}f}", value, digits);
}

std::string perplexity_text(const Measurement& m) {
  const auto number = [](double x) { return x < 1e6 ? fmt::format("{:.4f}", x) : fmt::format("{:.4g}", x); };
  return std::isnan(m.ppl_se) ? number(m.ppl) : fmt::format("{} ± {}", number(m.ppl), number(m.ppl_se));
}

std::string time_text(const ModelResult& model) {
  if (model.cached) return "cached";
  const double seconds = model.measured->seconds;
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} min", seconds / 60);
}

const std::vector<TextTable::Column> kColumns = {
    {"label", false, 20}, {"format", false, 12}, {"decoder\nbpw", true}, {"head\nbpw", true},
    {"file\nbpw", true},  {"VRAM\nGiB", true},   {"PPL ± SE", true},     {"time", true},
};

constexpr size_t kFormatColumn = 1;

std::vector<std::string> cells_of(const ModelResult& model) {
  std::vector<std::string> cells = {model.label, kNothing, kNothing, kNothing, kNothing, kNothing, "failed", kNothing};
  if (model.storage) {
    const Storage& s = *model.storage;
    const Storage::CompareQ overrides = model.compare_q();
    const auto number = [](bool overridden, double other, double measured, int digits) {
      return overridden ? fixed(other, digits) + "*" : fixed(measured, digits);
    };
    cells[kFormatColumn] = s.format;
    cells[2] = number(model.override_bpw_layer.has_value(), overrides.bpw_layer, s.decoder.bpw(), 3);
    cells[3] = number(model.override_bpw_head.has_value(), overrides.bpw_head, s.head.bpw(), 3);
    cells[4] = fixed(model.file_bpw(), 3);
    cells[5] = number(model.override_vram_bits.has_value(), overrides.vram_gib, s.vram_gib(), 3);
  }
  if (model.ok() && model.measured) {
    cells[6] = perplexity_text(*model.measured);
    cells[7] = time_text(model);
  }
  return cells;
}

/// Without families: "pack-quantized+bf16" of "compressed-tensors/pack-quantized+dense/bf16".
std::string short_format(const std::string& format) {
  std::string out;
  for (size_t begin = 0; begin < format.size();) {
    const size_t end = std::min(format.find('+', begin), format.size());
    const std::string one = format.substr(begin, end - begin);
    if (begin > 0) out += '+';
    out += one.substr(one.find('/') + 1);
    begin = end + 1;
  }
  return out;
}

/// What the numbers are about, so that a copied table says it.
std::string caption(const Result& result) {
  const DataRecord& data = result.data;
  std::string text = fmt::format("{}, {} × {} tokens, stride {}; ± one standard error, clustered by {}\n", data.dataset,
                                 data.rows, data.length, data.stride, data.clusters);
  if (result.models.empty()) return text;
  const ModelResult& any = result.models.front();
  return text +
         fmt::format("{} arithmetic; activations {}, KV cache {}\n", any.precision, any.activations, any.kv_cache);
}

std::string footnotes(const Result& result) {
  std::string text;
  bool overridden = false;
  for (const ModelResult& model : result.models) {
    overridden = overridden || (model.overridden() && model.storage);
    if (!model.ok()) text += fmt::format("{} failed: {}\n", model.label, model.error);
  }
  return caption(result) + (overridden ? "* from the model spec, not measured\n" : "") + text;
}

}  // namespace

std::string results_table(const Result& result, int width) {
  TextTable full(kColumns), brief(kColumns);
  for (const ModelResult& model : result.models) {
    std::vector<std::string> cells = cells_of(model);
    full.add(cells);
    cells[kFormatColumn] = short_format(cells[kFormatColumn]);
    brief.add(std::move(cells));
  }
  return (full.natural_width() <= width ? full : brief).render(width) + footnotes(result);
}

std::string results_markdown(const Result& result) {
  std::vector<std::string> titles, rules;
  for (const TextTable::Column& column : kColumns) {
    titles.push_back(column.title);
    rules.push_back(column.right ? "---:" : "---");
  }
  std::string out = markdown_row(titles) + markdown_row(rules);
  for (const ModelResult& model : result.models) out += markdown_row(cells_of(model));
  return out + "\n" + footnotes(result);
}

}  // namespace assay
