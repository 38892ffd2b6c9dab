#include "report/json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace assay {

Json measurement_to_json(const Measurement& m) {
  // JSON has no NaN; nlohmann writes it as null.
  return {{"mean_nll", m.mean_nll},
          {"nll_se", m.nll_se},
          {"ppl", m.ppl},
          {"ppl_se", m.ppl_se},
          {"row_nll", m.row_nll},
          {"seconds", m.seconds},
          {"notes", m.notes},
          {"tokens_per_second", m.tokens_per_second},
          {"stages", m.stage_seconds},
          {"peak_rss_bytes", m.peak_rss_bytes}};
}

namespace {

double number_or_nan(const Json& value) {
  return value.is_number() ? value.get<double>() : NAN;
}

}  // namespace

Measurement measurement_from_json(const JsonObject& json) {
  Measurement m;
  const auto number = [&](const char* key) { return json.has(key) ? json.number(key) : NAN; };
  m.mean_nll = number("mean_nll");
  m.nll_se = number("nll_se");
  m.ppl = number("ppl");
  m.ppl_se = number("ppl_se");
  m.seconds = number("seconds");
  m.tokens_per_second = number("tokens_per_second");
  m.peak_rss_bytes = static_cast<uint64_t>(json.integer_or("peak_rss_bytes", 0));
  if (const Json* rows = json.find("row_nll"))
    for (const Json& value : *rows) m.row_nll.push_back(number_or_nan(value));
  if (const Json* stages = json.find("stages"))
    for (const auto& [stage, seconds] : stages->items()) m.stage_seconds[stage] = number_or_nan(seconds);
  m.notes = json.strings("notes");
  return m;
}

}  // namespace assay
