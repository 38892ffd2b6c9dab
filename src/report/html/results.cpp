#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "report/chart/measures.h"
#include "report/html/parts.h"
#include "report/pairs.h"
#include "report/table.h"

namespace assay {

namespace {

struct Row {
  const ModelResult* model;
  int place_ppl, place_kld;
  bool at_floor;

  const Divergence* divergence() const {
    return model->ok() && model->has_comparison() ? &model->measured->comparison->divergence : nullptr;
  }
};

struct Column {
  const char* title;
  const char* hint;
  double (*value)(const Row& row);
  std::string (*text)(double value, const Row& row);
  bool kld;  ///< shown only where something was compared with a reference
};

template <int digits>
std::string fixed(double value, const Row&) {
  return fmt::format("{:.{}f}", value, digits);
}

double measured(const Row& row, double Measurement::*field) {
  return row.model->ok() && row.model->measured ? (*row.model->measured).*field : NAN;
}

double quantile(const Row& row, const char* name) {
  return row.divergence() ? row.divergence()->quantile(name).value : NAN;
}

std::string with_error(const std::string& text, double se, const char* format) {
  return std::isnan(se) ? text : text + " ± " + fmt::format(fmt::runtime(format), se);
}

std::string kld_only(double value, const Row&) {
  return kld_text(value);
}

const Column kColumns[] = {
    {"bits per weight", "decoder, counted from the stored tensors", [](const Row& r) { return chart_bpw(*r.model); },
     fixed<3>, false},
    {"head", "bits per weight of the output head",
     [](const Row& r) {
       if (r.model->override_bpw_head) return *r.model->override_bpw_head;
       return r.model->storage ? r.model->storage->head.bpw() : NAN;
     },
     fixed<3>, false},
    {"file", "bits of all files per weight", [](const Row& r) { return r.model->storage ? r.model->file_bpw() : NAN; },
     fixed<3>, false},
    {"GiB", "decoder and head", [](const Row& r) { return chart_vram(*r.model); }, fixed<3>, false},
    {"perplexity ± SE", "exp of the mean NLL; clustered standard error",
     [](const Row& r) { return measured(r, &Measurement::ppl); },
     [](double v, const Row& r) {
       return with_error(v < 1e6 ? fmt::format("{:.4f}", v) : fmt::format("{:.4g}", v), r.model->measured->ppl_se,
                         "{:.4f}");
     },
     false},
    {"KLD ± SE", "mean KL(reference || model), nats",
     [](const Row& r) { return r.divergence() ? r.divergence()->kld.mean : NAN; },
     [](double v, const Row& r) {
       return with_error(kld_text(v), r.divergence()->kld.se, "{:.1g}") + (r.at_floor ? " ≈ floor" : "");
     },
     true},
    {"median", "of the KLD", [](const Row& r) { return quantile(r, "median"); }, kld_only, true},
    {"p99", "of the KLD", [](const Row& r) { return quantile(r, "p99"); }, kld_only, true},
    {"max", "of the KLD", [](const Row& r) { return r.divergence() ? r.divergence()->max : NAN; }, kld_only, true},
    {"same top-1 %", "positions where both think the same token most likely",
     [](const Row& r) { return r.divergence() ? 100 * r.divergence()->agreement.top1.mean : NAN; }, fixed<2>, true},
    {"seconds", "of the measurement", [](const Row& r) { return measured(r, &Measurement::seconds); },
     [](double v, const Row& r) { return r.model->cached ? "cached" : fmt::format("{:.1f}", v); }, false},
};

std::string place_cell(int place, const std::vector<int>& all) {
  if (place == 0) return "<td class=\"n\">-</td>";
  const bool tied = std::count(all.begin(), all.end(), place) > 1;
  return fmt::format("<td class=\"n\" data-v=\"{}\"{}>{}{}</td>", place,
                     tied ? " title=\"indistinguishable from the others of this place\"" : "", tied ? "=" : "", place);
}

std::string label_cell(const ModelResult& model) {
  const std::string label = html_escaped(model.label);
  const char* role = model.role == ModelRole::reference ? " <span class=\"muted\">reference</span>"
                     : model.role == ModelRole::noise_floor && model.label != "noise floor"
                         ? " <span class=\"muted\">noise floor</span>"
                         : "";
  return fmt::format("<td><div class=\"name\" title=\"{}\">{}{}</div></td>", html_escaped(summary_of(model)), label,
                     role);
}

}  // namespace

std::string results_section(const Result& result) {
  const std::vector<int> ppl = places(result, Measure::nll), kld = places(result, Measure::kld);
  const bool compared = std::any_of(result.models.begin(), result.models.end(),
                                    [](const ModelResult& m) { return m.ok() && m.has_comparison(); });
  std::string table = "<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th>model</th>";
  if (compared)
    table += "<th class=\"n\" title=\"rank by KLD; models that cannot be told apart share it\">KLD place</th>";
  table += "<th class=\"n\" title=\"rank by perplexity; models that cannot be told apart share it\">PPL place</th>";
  for (const Column& column : kColumns)
    if (compared || !column.kld)
      table +=
          fmt::format("<th class=\"n\" title=\"{}\">{}</th>", html_escaped(column.hint), html_escaped(column.title));
  table += "<th>format</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < result.models.size(); ++i) {
    const ModelResult& model = result.models[i];
    const Row row{&model, ppl[i], kld[i], at_the_floor(result, i)};
    table +=
        "<tr>" + label_cell(model) + (compared ? place_cell(row.place_kld, kld) : "") + place_cell(row.place_ppl, ppl);
    for (const Column& column : kColumns) {
      if (!compared && column.kld) continue;
      const double value = column.value(row);
      table += number_cell(value, std::isnan(value) ? "" : column.text(value, row));
    }
    table += "<td>" + html_escaped(model.storage ? model.storage->format : "-") + "</td></tr>\n";
  }
  table += "</tbody></table></div>\n<div class=\"note\">\n";
  const std::string notes = results_notes(result);
  for (size_t begin = 0, end; (end = notes.find('\n', begin)) != std::string::npos; begin = end + 1)
    table += "<p>" + html_escaped(notes.substr(begin, end - begin)) + "</p>\n";
  return section("results", "Results", "Sorted by a click on a column. Numbers show every digit when pointed at.",
                 table + "</div>\n");
}

}  // namespace assay
