#include "report/pairs.h"

#include <fmt/core.h>

#include <cmath>

#include "report/chart/families.h"
#include "report/html/parts.h"

namespace assay {

namespace {

constexpr size_t kMostModels = 60;
constexpr size_t kFewModels = 6;  // of more, chance finds a difference

std::string signed_text(double value, Measure measure) {
  if (measure == Measure::kld) return fmt::format("{:+.2g}", value);
  const double percent = 100 * std::expm1(value);
  return fmt::format("{:+.{}f}%", percent, std::abs(percent) < 10 ? 2 : 0);
}

std::string interval_text(const Estimate& difference, Measure measure) {
  const Interval i = difference.interval();
  if (measure == Measure::kld) return fmt::format("KLD {:+.5g} [{:+.5g}, {:+.5g}]", difference.mean, i.low, i.high);
  return fmt::format("perplexity × {:.6g} [{:.6g}, {:.6g}]", std::exp(difference.mean), std::exp(i.low),
                     std::exp(i.high));
}

/// `sign` -1: the pair the other way round.
std::string cell(const std::optional<Estimate>& pair, double sign, Measure measure, const std::string& who) {
  if (!pair) return "<td class=\"n same\">-</td>";
  const Estimate difference{pair->mean * sign, pair->se, pair->df};
  const bool same = ModelPair::indistinguishable(difference);
  const std::string title = html_escaped(fmt::format("{}: {}, p = {:.2g}{}", who, interval_text(difference, measure),
                                                     difference.p_value(), same ? ", indistinguishable" : ""));
  if (same) return fmt::format("<td class=\"n same\" title=\"{}\">≈</td>", title);
  const double size = measure == Measure::kld ? std::log10(1 + 1000 * std::abs(difference.mean)) / 3
                                              : std::log10(1 + 100 * std::abs(difference.mean)) / 2;
  return fmt::format("<td class=\"n {}\" style=\"--w:{:.0f}%\" title=\"{}\">{}</td>",
                     difference.mean < 0 ? "better" : "worse", std::clamp(12 + 45 * size, 12.0, 60.0), title,
                     signed_text(difference.mean, measure));
}

std::string matrix(const Result& result, const std::vector<size_t>& models, Measure measure) {
  std::string out = "<table class=\"matrix\"><thead><tr><th>row minus column</th>";
  for (size_t i = 0; i < models.size(); ++i)
    out += fmt::format("<th class=\"n\" title=\"{}\">{}</th>", html_escaped(result.models[models[i]].label), i + 1);
  out += "</tr></thead><tbody>\n";
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string label = result.models[models[i]].label;
    out += fmt::format("<tr><td><div class=\"name\" title=\"{}\">{}. {}</div></td>", html_escaped(label), i + 1,
                       html_escaped(label));
    for (size_t j = 0; j < models.size(); ++j) {
      if (i == j) {
        out += "<td class=\"n same\">·</td>";
        continue;
      }
      const ModelPair pair = compare_models(result, models[i], models[j]);
      out += cell(measure == Measure::nll ? pair.nll : pair.kld, 1, measure,
                  label + " against " + result.models[models[j]].label);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table>";
}

}  // namespace

std::string pairs_section(const Result& result) {
  std::vector<size_t> all, compared;
  for (size_t i = 0; i < result.models.size(); ++i) {
    const ModelResult& model = result.models[i];
    if (!model.ok() || !model.measured || model.role == ModelRole::noise_floor) continue;
    all.push_back(i);
    if (model.has_comparison()) compared.push_back(i);
  }
  if (all.size() < 2) return "";
  std::string lead =
      "Each two models on the same tokens, which tells them apart far better than their two separate intervals. ≈: "
      "indistinguishable, the 95% interval of the difference covers zero. Green: the row is better; red: worse.";
  if (all.size() > kFewModels) {
    const size_t pairs = all.size() * (all.size() - 1) / 2;
    lead += fmt::format(
        " Each pair is judged by itself: among {} pairs of equal models about {} would look different by chance, so a "
        "single close call out of many means little.",
        pairs, (pairs + 10) / 20);
  }
  if (all.size() > kMostModels)
    return section(
        "pairs", "Paired comparison", lead,
        fmt::format("<p class=\"note\">{} models are too many for a table here; the JSON report has all pairs "
                    "under \"pairs\".</p>\n",
                    all.size()));
  const bool kld = compared.size() > 1;
  std::string body;
  if (kld)
    body +=
        "<div class=\"tabs\" data-tabs><button type=\"button\" data-for=\"pairs-ppl\">Perplexity ratio</button>"
        "<button type=\"button\" data-for=\"pairs-kld\">KLD difference</button></div>\n";
  body += "<div class=\"scroll\" id=\"pairs-ppl\">" + matrix(result, all, Measure::nll) + "</div>\n";
  if (kld) body += "<div class=\"scroll\" id=\"pairs-kld\">" + matrix(result, compared, Measure::kld) + "</div>\n";
  return section("pairs", "Paired comparison", lead, body);
}

}  // namespace assay
