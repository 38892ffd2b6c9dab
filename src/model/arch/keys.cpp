#include "model/arch/keys.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/known_keys.h"

namespace assay {

namespace {

constexpr int64_t kMaxSize = int64_t{1} << 30;
constexpr size_t kMaxNotes = 50;

bool is_text(const Json& value, std::string_view text) {
  const auto* stored = value.get_ptr<const Json::string_t*>();
  return stored && *stored == text;
}

bool is_neutral(const MathsKey& key, const Json& value) {
  if (value.is_number()) {
    const double number = value.get<double>();
    return number == 0 || (key.neutral && number == *key.neutral);
  }
  if (value.is_boolean()) return !value.get<bool>();
  if (key.name == "layer_types" && value.is_array()) {
    return std::all_of(value.begin(), value.end(), [](const Json& type) { return is_text(type, "full_attention"); });
  }
  if (key.name == "scoring_func") return is_text(value, "softmax");
  if (key.name == "topk_method") return is_text(value, "greedy");
  return value.is_null() || (value.is_structured() && value.empty()) ||
         (key.name == "position_embedding_type" && is_text(value, "rope"));
}

}  // namespace

const JsonObject& Keys::asked(const char* key) {
  asked_.insert(key);
  return object_;
}

int64_t Keys::size(const char* key) {
  const int64_t value = asked(key).integer(key);
  if (value < 1 || value > kMaxSize) refuse(key, "a whole number from 1 to 2^30");
  return value;
}

int64_t Keys::size_or(const char* key, int64_t otherwise) {
  return has(key) ? size(key) : otherwise;
}

int64_t Keys::count_or(const char* key, int64_t otherwise) {
  if (has(key) && object_.integer(key) == 0) return 0;
  return size_or(key, otherwise);
}

double Keys::positive(const char* key) {
  const double value = asked(key).number(key);
  if (!(value > 0) || !std::isfinite(value)) refuse(key, "a number above 0");
  return value;
}

double Keys::positive_or(const char* key, double otherwise) {
  return has(key) ? positive(key) : otherwise;
}

double Keys::positive_or_none(const char* key, double otherwise) {
  return is_null(key) ? 0 : positive_or(key, otherwise);
}

double Keys::number_or(const char* key, double otherwise) {
  const double value = asked(key).number_or(key, otherwise);
  if (!std::isfinite(value)) refuse(key, "a finite number");
  return value;
}

bool Keys::boolean_or(const char* key, bool otherwise) {
  return asked(key).boolean_or(key, otherwise);
}

bool Keys::flag_or(const char* key, bool otherwise) {
  const Json* value = asked(key).find(key);
  return value && value->is_number() ? value->get<double>() != 0 : boolean_or(key, otherwise);
}

std::string Keys::string(const char* key) {
  return asked(key).string(key);
}

std::string Keys::string_or(const char* key, std::string otherwise) {
  return asked(key).string_or(key, std::move(otherwise));
}

std::vector<std::string> Keys::strings(const char* key) {
  return asked(key).strings(key);
}

namespace {

/// {"__float__": "Infinity"}, as newer libraries write what JSON has no number for.
std::optional<double> named_float(const Json& value) {
  if (!value.is_object() || value.size() != 1 || !value.contains("__float__")) return std::nullopt;
  const Json& name = value.at("__float__");
  if (is_text(name, "Infinity")) return std::numeric_limits<double>::infinity();
  if (is_text(name, "-Infinity")) return -std::numeric_limits<double>::infinity();
  if (is_text(name, "NaN")) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

}  // namespace

std::vector<double> Keys::numbers(const char* key) {
  std::vector<double> out;
  const Json* list = asked(key).find(key);
  if (!list) return out;
  if (!list->is_array()) refuse(key, "a list of numbers");
  for (const Json& item : *list) {
    const std::optional<double> named = named_float(item);
    if (!item.is_number() && !named) refuse(key, "a list of numbers");
    out.push_back(named ? *named : item.get<double>());
  }
  return out;
}

std::vector<int64_t> Keys::integers(const char* key) {
  std::vector<int64_t> out;
  for (const double number : numbers(key)) {
    if (!(std::abs(number) <= kMaxSize) || number != std::floor(number)) refuse(key, "a list of whole numbers");
    out.push_back(static_cast<int64_t>(number));
  }
  return out;
}

Keys* Keys::section(const char* key) {
  if (!has(key)) return nullptr;
  const auto found = sections_.find(key);
  if (found != sections_.end()) return &found->second;
  return &sections_.emplace(key, Keys(object_.object(key))).first->second;
}

bool Keys::has(const char* key) {
  return asked(key).has(key);
}

bool Keys::is(const char* key, std::string_view text) {
  const Json* value = asked(key).find(key);
  return value && is_text(*value, text);
}

bool Keys::is_null(const char* key) {
  const Json& json = asked(key).json();
  return json.contains(key) && json.at(key).is_null();
}

bool Keys::is_string(const char* key) {
  const Json* value = asked(key).find(key);
  return value && value->is_string();
}

bool Keys::is_list(const char* key) {
  const Json* value = asked(key).find(key);
  return value && value->is_array();
}

void Keys::ignore(std::initializer_list<const char*> keys) {
  for (const char* key : keys) asked(key);
}

void Keys::check_unread(const std::string& architecture, std::vector<std::string>& notes) const {
  for (const auto& [name, section] : sections_) section.check_unread(architecture, notes);
  for (const auto& [name, value] : object_.json().items()) {
    if (asked_.contains(name)) continue;
    const auto* maths =
        std::find_if(kMaths.begin(), kMaths.end(), [&](const MathsKey& key) { return key.name == name; });
    if (maths != kMaths.end()) {
      if (is_neutral(*maths, value)) continue;
      fail(
          "{}: key \"{}\" changes what a model computes, and assay's \"{}\" does not implement it: found {}. If the "
          "model was made without it, set the key to null",
          where(), name, architecture, printable(value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
    const bool inert = name.starts_with('_') || std::binary_search(kInert.begin(), kInert.end(), name);
    if (inert || notes.size() >= kMaxNotes) continue;
    notes.push_back(fmt::format("{}: key {} is not known to assay and was ignored", where(), printable(name)));
  }
}

}  // namespace assay
