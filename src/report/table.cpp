#include "report/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "report/pairs.h"

namespace assay {

namespace {

constexpr const char* kNothing = "-";

std::string fixed(double value, int digits) {
  return std::isnan(value) ? kNothing : fmt::format("{:.{}f}", value, digits);
}

std::string with_error(double value, double se, const std::function<std::string(double)>& number) {
  return std::isnan(se) ? number(value) : fmt::format("{} ± {}", number(value), number(se));
}

std::string perplexity_text(const Measurement& m) {
  return with_error(m.ppl, m.ppl_se,
                    [](double x) { return x < 1e6 ? fmt::format("{:.4f}", x) : fmt::format("{:.4g}", x); });
}

std::string kld_number(double x) {
  if (std::isnan(x)) return kNothing;
  return std::abs(x) >= 1e-4 || x == 0 ? fmt::format("{:.5f}", x) : fmt::format("{:.1e}", x);
}

std::string time_text(const ModelResult& model) {
  if (model.cached) return "cached";
  const double seconds = model.measured->seconds;
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} min", seconds / 60);
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

/// A line of the table: one model, and what comparing it with the others gave.
struct Line {
  const Result* result;
  size_t index;
  int place;      ///< 0 = none
  bool tied;      ///< shares its place
  bool at_floor;  ///< KLD at the noise floor

  const ModelResult& model() const { return result->models[index]; }
  const Divergence* divergence() const {
    return model().ok() && model().has_comparison() ? &model().measured->comparison->divergence : nullptr;
  }
};

bool any_kld(const Result& result) {
  return std::any_of(result.models.begin(), result.models.end(),
                     [](const ModelResult& m) { return m.ok() && m.has_comparison(); });
}

std::vector<Line> lines_of(const Result& result) {
  const std::vector<int> place = places(result, any_kld(result) ? Measure::kld : Measure::nll);
  std::vector<Line> lines;
  for (size_t i = 0; i < place.size(); ++i) {
    const bool tied = place[i] > 0 && std::count(place.begin(), place.end(), place[i]) > 1;
    lines.push_back({&result, i, place[i], tied, at_the_floor(result, i)});
  }
  return lines;
}

// Overridden numbers stand in the place of measured ones, with a star.
std::string bits_text(const std::optional<double>& override, double other, double measured) {
  return override ? fixed(other, 3) + "*" : fixed(measured, 3);
}

struct Column {
  TextTable::Column shape;
  std::string (*cell)(const Line& line);
  bool (*wanted)(const Result& result) = [](const Result&) { return true; };
  int spared = 0;  ///< columns with the highest number give way first where a line is too narrow; 0 = never
};

std::string label_cell(const Line& line) {
  return line.model().label;
}
std::string format_cell(const Line& line) {
  return line.model().storage ? line.model().storage->format : kNothing;
}
std::string short_format_cell(const Line& line) {
  return short_format(format_cell(line));
}
std::string decoder_cell(const Line& line) {
  const ModelResult& m = line.model();
  return m.storage ? bits_text(m.override_bpw_layer, m.compare_q().bpw_layer, m.storage->decoder.bpw()) : kNothing;
}
std::string head_cell(const Line& line) {
  const ModelResult& m = line.model();
  return m.storage ? bits_text(m.override_bpw_head, m.compare_q().bpw_head, m.storage->head.bpw()) : kNothing;
}
std::string file_cell(const Line& line) {
  return line.model().storage ? fixed(line.model().file_bpw(), 3) : kNothing;
}
std::string vram_cell(const Line& line) {
  const ModelResult& m = line.model();
  return m.storage ? bits_text(m.override_vram_bits, m.compare_q().vram_gib, m.storage->vram_gib()) : kNothing;
}
std::string perplexity_cell(const Line& line) {
  const ModelResult& m = line.model();
  return m.ok() && m.measured ? perplexity_text(*m.measured) : "failed";
}
std::string kld_cell(const Line& line) {
  if (line.model().ok() && line.model().role == ModelRole::reference) return "reference";
  const Divergence* d = line.divergence();
  return d ? with_error(d->kld.mean, d->kld.se, kld_number) + (line.at_floor ? " ≈" : "") : kNothing;
}
std::string p99_cell(const Line& line) {
  return line.divergence() ? kld_number(line.divergence()->quantile("p99").value) : kNothing;
}
std::string top1_cell(const Line& line) {
  return line.divergence() ? fixed(100 * line.divergence()->agreement.top1.mean, 2) : kNothing;
}
std::string place_cell(const Line& line) {
  return line.place == 0 ? kNothing : fmt::format("{}{}", line.tied ? "=" : "", line.place);
}
std::string time_cell(const Line& line) {
  return line.model().ok() && line.model().measured ? time_text(line.model()) : kNothing;
}

bool is_contest(const Result& result) {
  const std::vector<int> place = places(result, any_kld(result) ? Measure::kld : Measure::nll);
  return std::count_if(place.begin(), place.end(), [](int p) { return p > 0; }) > 1;
}

std::vector<Column> columns_of(const Result& result) {
  const std::vector<Column> all = {
      {{"label", false, 20}, label_cell},
      {{"format", false, 12}, format_cell},
      {{"decoder\nbpw", true}, decoder_cell},
      {{"head\nbpw", true}, head_cell, [](const Result&) { return true; }, 3},
      {{"file\nbpw", true}, file_cell, [](const Result&) { return true; }, 4},
      {{"VRAM\nGiB", true}, vram_cell, [](const Result&) { return true; }, 2},
      {{"PPL ± SE", true}, perplexity_cell},
      {{"KLD ± SE", true}, kld_cell, any_kld},
      {{"KLD\np99", true}, p99_cell, any_kld, 1},
      {{"same\ntop-1 %", true}, top1_cell, any_kld},
      {{"place", true}, place_cell, is_contest},
      {{"time", true}, time_cell, [](const Result&) { return true; }, 5},
  };
  std::vector<Column> wanted;
  std::copy_if(all.begin(), all.end(), std::back_inserter(wanted), [&](const Column& c) { return c.wanted(result); });
  return wanted;
}

TextTable table_of(const std::vector<Column>& columns, const std::vector<Line>& lines) {
  std::vector<TextTable::Column> shapes;
  for (const Column& column : columns) shapes.push_back(column.shape);
  TextTable table(std::move(shapes));
  for (const Line& line : lines) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(column.cell(line));
    table.add(std::move(cells));
  }
  return table;
}

/// How far the errors can be trusted, where that is not far.
std::string clusters_note(const Result& result) {
  const int64_t count = cluster_count(result);
  if (count == 1) return " (only 1: no error can be known)";
  return few_clusters(result) ? fmt::format(" (only {}: rough)", count) : "";
}

/// What the numbers are about, so that a copied table says it.
std::string caption(const Result& result) {
  const DataRecord& data = result.data;
  std::string text =
      fmt::format("{}, {} × {} tokens, stride {}; ± one standard error, clustered by {}{}\n", data.dataset, data.rows,
                  data.length, data.stride, data.clusters, clusters_note(result));
  if (result.models.empty()) return text;
  const ModelResult& any = result.models.front();
  return text +
         fmt::format("{} arithmetic; activations {}, KV cache {}\n", any.precision, any.activations, any.kv_cache);
}

/// "KLD is KL(reference || model) ...", with the noise floor where one was measured.
std::string kld_caption(const Result& result, const std::vector<Line>& lines) {
  std::string text;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.has_comparison()) continue;
    text =
        fmt::format("KLD: KL({} || model), mean over all scored tokens, nats\n", model.measured->comparison->reference);
    break;
  }
  for (const Line& line : lines)
    if (line.model().role == ModelRole::noise_floor && line.divergence())
      text += fmt::format("noise floor: KLD {}\n", kld_number(line.divergence()->kld.mean));
  if (std::any_of(lines.begin(), lines.end(), [](const Line& line) { return line.at_floor; }))
    text += "≈ at the floor: cannot be told from the reference's own arithmetic noise\n";
  return text;
}

/// "=2: A, B, C are indistinguishable", one line for each place that is shared.
std::string ties(const Result& result, const std::vector<Line>& lines) {
  std::string text;
  for (int place = 1; place <= static_cast<int>(lines.size()); ++place) {
    std::string labels;
    int count = 0;
    for (const Line& line : lines) {
      if (line.place != place) continue;
      labels += (count++ > 0 ? ", " : "") + line.model().label;
    }
    if (count > 1)
      text += fmt::format(
          "={}: {} are indistinguishable in {} ({})\n", place, labels, any_kld(result) ? "KLD" : "perplexity",
          cluster_count(result) == 1 ? "one cluster leaves no interval" : "paired 95% interval covers zero");
  }
  return text;
}

std::string footnotes(const Result& result, const std::vector<Line>& lines) {
  std::string text;
  bool overridden = false;
  for (const ModelResult& model : result.models) {
    overridden = overridden || (model.overridden() && model.storage);
    if (!model.ok()) text += fmt::format("{} failed: {}\n", model.label, model.error);
    if (model.has_comparison() && model.measured->comparison->divergence.nonfinite_share > 0)
      text += fmt::format("{}: {:.4f}% of its tokens have no KLD, and are left out\n", model.label,
                          100 * model.measured->comparison->divergence.nonfinite_share);
  }
  return without_controls(caption(result) + kld_caption(result, lines) + ties(result, lines) +
                          (overridden ? "* from the model spec, not measured\n" : "") + text);
}

}  // namespace

std::string results_table(const Result& result, int width) {
  const std::vector<Line> lines = lines_of(result);
  std::vector<Column> columns = columns_of(result);
  const auto fits = [&] { return table_of(columns, lines).natural_width() <= width; };
  if (!fits()) columns[1].cell = short_format_cell;
  while (!fits()) {
    const auto next = std::max_element(columns.begin(), columns.end(),
                                       [](const Column& a, const Column& b) { return a.spared < b.spared; });
    if (next->spared == 0) break;
    columns.erase(next);
  }
  return table_of(columns, lines).render(width) + footnotes(result, lines);
}

std::string results_markdown(const Result& result) {
  const std::vector<Line> lines = lines_of(result);
  const std::vector<Column> columns = columns_of(result);
  std::vector<std::string> titles, rules;
  for (const Column& column : columns) {
    titles.push_back(column.shape.title);
    rules.push_back(column.shape.right ? "---:" : "---");
  }
  std::string out = markdown_row(titles) + markdown_row(rules);
  for (const Line& line : lines) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(column.cell(line));
    out += markdown_row(cells);
  }
  // Two spaces keep the lines apart.
  std::string notes = footnotes(result, lines), spaced;
  for (const char c : notes) spaced += c == '\n' ? "  \n" : std::string(1, c);
  return out + "\n" + spaced;
}

std::string results_notes(const Result& result) {
  return footnotes(result, lines_of(result));
}

}  // namespace assay
