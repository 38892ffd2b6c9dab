#include "formats/gptq/config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay::gptq {

namespace {

/// What `json` says of bits and groups, and otherwise what holds elsewhere.
ColumnPacked::Scheme scheme_in(const JsonObject& json, ColumnPacked::Scheme scheme) {
  scheme.bits = json.integer_or("bits", scheme.bits);
  if (scheme.bits < 1 || scheme.bits > 16) json.refuse("bits", "2 to 8");
  if (json.has("group_size")) {
    scheme.group_size = json.integer("group_size");
    if (*scheme.group_size < -1 || *scheme.group_size == 0) {
      json.refuse("group_size", "a positive number, or -1 for whole rows");
    }
  }
  scheme.shuffled = json.boolean_or("desc_act", scheme.shuffled);
  return scheme;
}

std::string format_in(const JsonObject& json) {
  const char* key = json.has("checkpoint_format") ? "checkpoint_format" : "format";
  std::string format = json.string_or(key, "gptq");
  if (json.boolean_or("is_marlin_format", false)) format = "marlin";
  if (format == "gptq" || format == "gptq_v2" || format == "gptq_p" || format == "marlin") return format;
  fail(
      "{}: GPTQ format {} is not supported; supported are gptq, gptq_v2, gptq_p, marlin. Convert the checkpoint back "
      "to gptq",
      json.where(), printable(format));
}

}  // namespace

Config::Config(const QuantConfig& config) : where_(config.where()) {
  const JsonObject json(config.json(), where_);
  format_ = format_in(json);
  json.integer("bits");
  scheme_ = scheme_in(json, {});
  const Json* dynamic = json.find("dynamic");
  if (!dynamic || *dynamic == false) return;
  for (const auto& [key, value] : JsonObject(*dynamic, where_ + ": dynamic").json().items()) {
    // Modules that a pattern excludes are stored as plain weights, which tells as much.
    if (key.starts_with("-:")) continue;
    const std::string where = fmt::format("{}: dynamic: {}", where_, printable(key));
    overrides_.emplace_back(Pattern(key.starts_with("+:") ? key.substr(2) : key, where_ + ": dynamic"),
                            scheme_in(JsonObject(value, where), scheme_));
  }
}

ColumnPacked::Layout Config::layout_of(const std::string& module) const {
  ColumnPacked::Layout layout;
  layout.where = where_;
  layout.planar = format_ == "gptq_p";
  layout.zeros_minus_one = format_ == "gptq";
  layout.odd_is_planar = true;
  for (const auto& [pattern, scheme] : overrides_) {
    if (pattern.matches_start(module)) layout.schemes.push_back(scheme);
  }
  if (layout.schemes.empty()) layout.schemes.push_back(scheme_);
  return layout;
}

}  // namespace assay::gptq
