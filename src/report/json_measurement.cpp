#include <cmath>

#include "base/error.h"
#include "report/json_parts.h"

namespace assay {

namespace {

constexpr double kMostCounted = 0x1p53;  // a double knows every integer up to here

OrderedJson clusters_json(const ClusterSums& clusters) {
  if (clusters.sum.empty()) return nullptr;
  return {{"sum", clusters.sum}, {"count", clusters.count}};
}

OrderedJson quantile_errors_json(const Divergence& d) {
  OrderedJson errors = OrderedJson::object();
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    const BootstrapError& e = d.quantiles[i].error;
    errors[kQuantiles[i].name] = {{"se", e.se}, {"low", e.interval.low}, {"high", e.interval.high}};
  }
  return errors;
}

OrderedJson buckets_json(const std::vector<ConfidenceBucket>& buckets) {
  OrderedJson out = OrderedJson::array();
  for (const ConfidenceBucket& b : buckets)
    out.push_back({{"low", b.low},
                   {"high", b.high},
                   {"tokens", b.tokens},
                   {"share", b.share},
                   {"mean", b.mean},
                   {"median", b.median},
                   {"median_lower", b.median_lower}});
  return out;
}

// Names of the shares in JSON; the golden names of fixtures and the README.
struct Share {
  const char* key;
  Estimate Agreement::*value;
};
constexpr Share kShares[] = {{"top1", &Agreement::top1},
                             {"ref_top1_in_model_top5", &Agreement::top5},
                             {"ref_top1_in_model_top10", &Agreement::top10},
                             {"top5_overlap_mean_share", &Agreement::top5_common},
                             {"top10_overlap_mean_share", &Agreement::top10_common},
                             {"top5_ordered_list_equal", &Agreement::top5_ordered},
                             {"ref_top1_mean_rank", &Agreement::rank}};

OrderedJson agreement_json(const Agreement& agreement) {
  OrderedJson out;
  for (const Share& share : kShares) out[share.key] = estimate_json(agreement.*share.value);
  return out;
}

OrderedJson histogram_json(const LogHistogram& h) {
  return {{"log10_low", LogHistogram::kLow},
          {"log10_high", LogHistogram::kHigh},
          {"counts", h.counts},
          {"below", h.below},
          {"above", h.above}};
}

OrderedJson worst_json(const Comparison& c) {
  OrderedJson out = OrderedJson::array();
  for (size_t i = 0; i < c.divergence.worst.size(); ++i) {
    const WorstToken& w = c.divergence.worst[i];
    OrderedJson entry = {{"row", w.row}, {"position", w.position}, {"kld", w.kld}};
    if (i < c.worst.size()) {
      entry["before"] = c.worst[i].before;
      entry["token"] = c.worst[i].token;
      entry["after"] = c.worst[i].after;
    }
    out.push_back(entry);
  }
  return out;
}

OrderedJson probable_json(const std::vector<ProbableToken>& tokens) {
  OrderedJson out = OrderedJson::array();
  for (const ProbableToken& token : tokens) out.push_back({token.text, token.probability});
  return out;
}

OrderedJson view_json(const std::vector<ViewToken>& view) {
  OrderedJson out = OrderedJson::array();
  for (const ViewToken& token : view)
    out.push_back({{"row", token.row},
                   {"position", token.position},
                   {"text", token.text},
                   {"kld", token.kld},
                   {"reference", probable_json(token.reference)},
                   {"model", probable_json(token.model)}});
  return out;
}

OrderedJson comparison_json(const Comparison& c) {
  const Divergence& d = c.divergence;
  OrderedJson out = {{"reference", c.reference},
                     {"reference_content", null_if_empty(c.reference_content)},
                     {"direction", "KL(reference || model)"},
                     {"vocabulary", c.vocabulary},
                     {"mean", d.kld.mean},
                     {"se", d.kld.se},
                     {"df", d.kld.df}};
  for (size_t i = 0; i < kQuantiles.size(); ++i) out[kQuantiles[i].name] = d.quantiles[i].value;
  out["median_lower"] = d.median_lower;
  out["max"] = d.max;
  out["row_mean"] = d.row_mean;
  out["compare_q"] = d.compare_q;
  out["nonfinite_share"] = d.nonfinite_share;
  out["percentile_errors"] = quantile_errors_json(d);
  out["reverse"] = estimate_json(d.reverse);
  out["jensen_shannon"] = estimate_json(d.jensen_shannon);
  out["target_difference"] = estimate_json(d.target_difference);
  out["target_difference"]["rms"] = d.target_difference_rms;
  out["agreement"] = agreement_json(d.agreement);
  out["buckets"] = buckets_json(d.buckets);
  out["clusters"] = clusters_json(d.clusters);
  out["histogram"] = histogram_json(d.histogram);
  out["worst"] = worst_json(c);
  out["view"] = view_json(c.view);
  return out;
}

/// The objects of a list; absent or null: none.
std::vector<JsonObject> objects(const JsonObject& json, const char* key) {
  std::vector<JsonObject> out;
  const Json* list = json.find(key);
  if (!list) return out;
  if (!list->is_array()) json.refuse(key, "a list of objects");
  for (const Json& one : *list) out.emplace_back(one, json.where() + ": " + key);
  return out;
}

std::vector<int64_t> counts(const JsonObject& json, const char* key) {
  std::vector<int64_t> out;
  for (const double x : numbers(json, key)) {
    if (!(x >= 0 && x <= kMostCounted && x == std::floor(x))) json.refuse(key, "a list of counts");
    out.push_back(static_cast<int64_t>(x));
  }
  return out;
}

ClusterSums read_clusters(const JsonObject& json, const char* key) {
  const std::optional<JsonObject> clusters = json.object_if(key);
  if (!clusters) return {};
  const ClusterSums out{numbers(*clusters, "sum"), counts(*clusters, "count")};
  double total = 0;
  for (const int64_t count : out.count) total += static_cast<double>(count);
  if (total > kMostCounted) clusters->refuse("count", "counts that can be added");
  if (out.sum.size() != out.count.size()) json.refuse(key, "as many counts as sums");
  return out;
}

Estimate read_estimate(const std::optional<JsonObject>& json) {
  if (!json) return {};
  return {number_or_nan(*json, "mean"), number_or_nan(*json, "se"), count_of(*json, "df")};
}

LogHistogram read_histogram(const std::optional<JsonObject>& json) {
  LogHistogram out;
  if (!json) return out;
  out.counts = counts(*json, "counts");
  if (out.counts.size() != LogHistogram::kBins || json->number("log10_low") != LogHistogram::kLow ||
      json->number("log10_high") != LogHistogram::kHigh)
    json->refuse("counts", fmt::format("{} bins from 1e{} to 1e{}", LogHistogram::kBins, LogHistogram::kLow,
                                       LogHistogram::kHigh));
  out.below = count_of(*json, "below");
  out.above = count_of(*json, "above");
  return out;
}

std::vector<ProbableToken> read_probable(const JsonObject& json, const char* key) {
  std::vector<ProbableToken> out;
  const Json* list = json.find(key);
  if (!list) return out;
  if (!list->is_array()) json.refuse(key, "a list of [text, probability]");
  for (const Json& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number())
      json.refuse(key, "a list of [text, probability]");
    out.push_back({pair[0].get<std::string>(), pair[1].get<double>()});
  }
  return out;
}

void read_worst(const JsonObject& json, Comparison& out) {
  for (const JsonObject& worst : objects(json, "worst")) {
    out.divergence.worst.push_back({count_of(worst, "row"), count_of(worst, "position"), number_or_nan(worst, "kld")});
    if (worst.has("token"))
      out.worst.push_back({worst.string_or("before", ""), worst.string("token"), worst.string_or("after", "")});
  }
  if (!out.worst.empty() && out.worst.size() != out.divergence.worst.size())
    json.refuse("worst", "the text of all tokens or of none");
}

void read_quantiles(const JsonObject& json, Divergence& d) {
  const std::optional<JsonObject> errors = json.object_if("percentile_errors");
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    d.quantiles[i].value = number_or_nan(json, kQuantiles[i].name);
    const std::optional<JsonObject> error = errors ? errors->object_if(kQuantiles[i].name) : std::nullopt;
    if (error)
      d.quantiles[i].error = {number_or_nan(*error, "se"),
                              {number_or_nan(*error, "low"), number_or_nan(*error, "high")}};
  }
  d.median_lower = number_or_nan(json, "median_lower");
  d.max = number_or_nan(json, "max");
}

Comparison read_comparison(const JsonObject& json) {
  Comparison out;
  out.reference = json.string("reference");
  out.reference_content = json.string_or("reference_content", "");
  out.vocabulary = count_of(json, "vocabulary");
  Divergence& d = out.divergence;
  d.kld = {number_or_nan(json, "mean"), number_or_nan(json, "se"), count_of(json, "df")};
  read_quantiles(json, d);
  d.row_mean = numbers(json, "row_mean");
  d.compare_q = number_or_nan(json, "compare_q");
  d.nonfinite_share = json.number_or("nonfinite_share", 0);
  d.reverse = read_estimate(json.object_if("reverse"));
  d.jensen_shannon = read_estimate(json.object_if("jensen_shannon"));
  if (const auto difference = json.object_if("target_difference")) {
    d.target_difference = read_estimate(difference);
    d.target_difference_rms = number_or_nan(*difference, "rms");
  }
  if (const auto agreement = json.object_if("agreement"))
    for (const Share& share : kShares) d.agreement.*share.value = read_estimate(agreement->object_if(share.key));
  for (const JsonObject& b : objects(json, "buckets"))
    d.buckets.push_back({number_or_nan(b, "low"), number_or_nan(b, "high"), count_of(b, "tokens"),
                         number_or_nan(b, "share"), number_or_nan(b, "mean"), number_or_nan(b, "median"),
                         number_or_nan(b, "median_lower")});
  d.clusters = read_clusters(json, "clusters");
  d.histogram = read_histogram(json.object_if("histogram"));
  read_worst(json, out);
  for (const JsonObject& token : objects(json, "view"))
    out.view.push_back({count_of(token, "row"), count_of(token, "position"), token.string("text"),
                        number_or_nan(token, "kld"), read_probable(token, "reference"), read_probable(token, "model")});
  return out;
}

}  // namespace

std::string json_text(const OrderedJson& json, int indent, bool ascii) {
  return json.dump(indent, ' ', ascii, OrderedJson::error_handler_t::replace) + "\n";
}

OrderedJson null_if_empty(const std::string& text) {
  return text.empty() ? OrderedJson() : OrderedJson(text);
}

double number_or_nan(const JsonObject& json, const char* key) {
  return json.number_or(key, NAN);
}

std::vector<double> numbers(const JsonObject& json, const char* key) {
  std::vector<double> out;
  const Json* list = json.find(key);
  if (!list) return out;
  if (!list->is_array()) json.refuse(key, "a list of numbers");
  for (const Json& value : *list) {
    if (!value.is_number() && !value.is_null()) json.refuse(key, "a list of numbers");
    out.push_back(value.is_null() ? NAN : value.get<double>());
  }
  return out;
}

int64_t count_of(const JsonObject& json, const char* key) {
  const int64_t count = json.integer_or(key, 0);
  if (count < 0 || count > static_cast<int64_t>(kMostCounted)) json.refuse(key, "a count");
  return count;
}

OrderedJson estimate_json(const Estimate& estimate) {
  if (std::isnan(estimate.mean)) return nullptr;
  return {{"mean", estimate.mean}, {"se", estimate.se}, {"df", estimate.df}};
}

OrderedJson measurement_fields(const Measurement& m) {
  return {{"mean_nll", m.mean_nll},
          {"nll_se", m.nll_se},
          {"nll_df", m.nll_df},
          {"ppl", m.ppl},
          {"ppl_se", m.ppl_se},
          {"row_nll", m.row_nll},
          {"clusters", clusters_json(m.clusters)},
          {"top1_agree", m.comparison ? OrderedJson(m.comparison->divergence.agreement.top1.mean) : OrderedJson()},
          {"kld", m.comparison ? comparison_json(*m.comparison) : OrderedJson()},
          {"seconds", m.seconds},
          {"tokens_per_second", m.tokens_per_second},
          {"peak_rss_bytes", m.peak_rss_bytes},
          {"stages", m.stage_seconds}};
}

Json measurement_to_json(const Measurement& m) {
  OrderedJson json = measurement_fields(m);
  json["notes"] = m.notes;
  return Json::parse(json_text(json, -1));  // what a file can hold: valid UTF-8, and null for NaN
}

Measurement measurement_from_json(const JsonObject& json) {
  Measurement m;
  m.mean_nll = number_or_nan(json, "mean_nll");
  m.nll_se = number_or_nan(json, "nll_se");
  m.nll_df = count_of(json, "nll_df");
  m.ppl = number_or_nan(json, "ppl");
  m.ppl_se = number_or_nan(json, "ppl_se");
  m.row_nll = numbers(json, "row_nll");
  m.clusters = read_clusters(json, "clusters");
  if (const auto kld = json.object_if("kld")) m.comparison = read_comparison(*kld);
  m.seconds = number_or_nan(json, "seconds");
  m.tokens_per_second = number_or_nan(json, "tokens_per_second");
  m.peak_rss_bytes = static_cast<uint64_t>(count_of(json, "peak_rss_bytes"));
  if (const auto stages = json.object_if("stages"))
    for (const auto& [stage, seconds] : stages->json().items())
      m.stage_seconds[stage] = number_or_nan(*stages, stage.c_str());
  m.notes = json.strings("notes");
  return m;
}

}  // namespace assay
