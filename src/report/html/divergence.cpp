#include <fmt/core.h>

#include <cmath>

#include "report/chart/measures.h"
#include "report/html/parts.h"

namespace assay {

namespace {

std::string quantile_cell(const Quantile& q) {
  std::string text = kld_text(q.value);
  if (std::isnan(q.value)) return number_cell(NAN, "");
  const std::string title = std::isnan(q.error.se)
                                ? fmt::format("{}", q.value)
                                : fmt::format("{} ± {:.2g}, 95% from {:.4g} to {:.4g} (bootstrap of rows)", q.value,
                                              q.error.se, q.error.interval.low, q.error.interval.high);
  return fmt::format("<td class=\"n\" data-v=\"{}\" title=\"{}\">{}</td>", q.value, title, text);
}

std::string share_cell(const Estimate& share) {
  if (std::isnan(share.mean)) return number_cell(NAN, "");
  return fmt::format("<td class=\"n\" data-v=\"{}\" title=\"{} ± {:.2g}\">{:.2f}</td>", share.mean, share.mean,
                     share.se, 100 * share.mean);
}

std::string name_cell(const ModelResult& model) {
  const std::string label = html_escaped(model.label);
  return fmt::format("<td><div class=\"name\" title=\"{}\">{}</div></td>", label, label);
}

std::string head(const std::vector<std::string>& titles) {
  std::string out = "<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th>model</th>";
  for (const std::string& title : titles) out += "<th class=\"n\">" + html_escaped(title) + "</th>";
  return out + "</tr></thead><tbody>\n";
}

constexpr const char* kEnd = "</tbody></table></div>\n";

}  // namespace

std::string divergence_section(const Result& result) {
  std::vector<std::string> quantiles;
  for (const QuantileKind& kind : kQuantiles) quantiles.emplace_back(kind.name);
  quantiles.insert(quantiles.end(), {"max", "reverse KL", "JS", "Δp rms", "first 10 rows"});
  std::string spread = head(quantiles);
  std::string agreement = head({"same top-1 %", "top-1 in top-5 %", "top-1 in top-10 %", "top-5 shared %",
                                "top-10 shared %", "same top-5 %", "mean rank of top-1"});
  std::vector<std::string> ranges;
  std::string buckets;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.has_comparison()) continue;
    const Divergence& d = model.measured->comparison->divergence;
    spread += "<tr>" + name_cell(model);
    for (const Quantile& q : d.quantiles) spread += quantile_cell(q);
    for (const double x : {d.max, d.reverse.mean, d.jensen_shannon.mean, d.target_difference_rms, d.compare_q})
      spread += number_cell(x, std::isnan(x) ? "" : kld_text(x));
    spread += "</tr>\n";
    const Agreement& a = d.agreement;
    agreement += "<tr>" + name_cell(model);
    for (const Estimate& e : {a.top1, a.top5, a.top10, a.top5_common, a.top10_common, a.top5_ordered})
      agreement += share_cell(e);
    agreement += number_cell(a.rank.mean, std::isnan(a.rank.mean) ? "" : fmt::format("{:.3f}", a.rank.mean));
    agreement += "</tr>\n";
    if (ranges.empty())
      for (const ConfidenceBucket& b : d.buckets)
        ranges.push_back(fmt::format("{}–{} ({:.0f}%)", b.low, std::min(b.high, 1.0), 100 * b.share));
    buckets += "<tr>" + name_cell(model);
    for (size_t i = 0; i < ranges.size(); ++i) {
      const double mean = i < d.buckets.size() ? d.buckets[i].mean : NAN;
      buckets += number_cell(mean, std::isnan(mean) ? "" : kld_text(mean));
    }
    buckets += "</tr>\n";
  }
  if (buckets.empty()) return "";
  std::string body = "<h3>Percentiles of the KLD of single tokens</h3>\n" + spread + kEnd +
                     "<h3>Agreement of the most likely tokens</h3>\n" + agreement + kEnd;
  if (!ranges.empty())
    body += "<h3>Mean KLD where the reference's first token has a probability of … (share of tokens)</h3>\n" +
            head(ranges) + buckets + kEnd;
  return section("divergence", "Divergence in detail", "", body);
}

}  // namespace assay
