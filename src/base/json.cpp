#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace assay {

namespace {

constexpr int kMaxDepth = 100;
constexpr uintmax_t kMaxFile = uintmax_t{1} << 30;

/// Builds nothing: finds nesting that would exhaust the stack of whoever walks the value later.
int nesting(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

/// Numbers that JSON does not have and Python writes all the same, brought to the form in which newer libraries write
/// them: {"__float__": "Infinity"}.
std::string with_named_floats(std::string_view text) {
  std::string out;
  bool quoted = false;
  for (size_t i = 0; i < text.size();) {
    if (!quoted) {
      constexpr std::string_view kNames[] = {"-Infinity", "Infinity", "NaN"};
      const auto name = std::find_if(std::begin(kNames), std::end(kNames),
                                     [&](std::string_view n) { return text.substr(i).starts_with(n); });
      if (name != std::end(kNames)) {
        out += R"({"__float__":")" + std::string(*name) + "\"}";
        i += name->size();
        continue;
      }
    }
    if (quoted && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];
    } else if (text[i] == '"') {
      quoted = !quoted;
    }
    out += text[i++];
  }
  return out;
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= 80) return text;
  size_t end = 77;
  while ((text[end] & 0xc0) == 0x80) --end;  // not inside a UTF-8 character
  return text.substr(0, end) + "...";
}

/// "[json.exception.name] reason; last read: token" without what it quotes, which may be megabytes of raw bytes.
std::string reason_of(const Json::exception& e) {
  std::string reason = e.what();
  if (const auto bracket = reason.find("] "); bracket != std::string::npos) reason = reason.substr(bracket + 2);
  return reason.substr(0, std::min(reason.find("; last read"), size_t{200}));
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  if (nesting(text) > kMaxDepth) fail("{}: JSON nested deeper than {} levels", where, kMaxDepth);
  Json plain = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!plain.is_discarded()) return plain;
  try {
    return Json::parse(with_named_floats(text));
  } catch (const Json::exception& e) {
    fail("{}: not valid JSON: {}", where, reason_of(e));
  }
}

std::string read_file(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail("{}: cannot open: {}", path.string(), std::strerror(errno));
  std::string text;
  char buffer[1 << 16];
  size_t got;
  while ((got = std::fread(buffer, 1, sizeof buffer, file.get())) > 0) {
    text.append(buffer, got);
    if (text.size() > kMaxFile) fail("{}: larger than 1 GiB, which no such file is", path.string());
  }
  if (std::ferror(file.get())) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  return text;
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

JsonObject::JsonObject(const Json& value, std::string where) : value_(&value), where_(std::move(where)) {
  if (!value.is_object()) fail("{}: expected a JSON object, found {}", where_, shown(value));
}

const Json* JsonObject::find(const char* key) const {
  const auto it = value_->find(key);
  return it == value_->end() || it->is_null() ? nullptr : &*it;
}

const Json& JsonObject::at(const char* key) const {
  if (const Json* value = find(key)) return *value;
  fail("{}: key \"{}\" is missing", where_, key);
}

void JsonObject::refuse(const char* key, const std::string& expected) const {
  const Json* value = find(key);
  fail("{}: key \"{}\": expected {}, found {}", where_, key, expected, value ? shown(*value) : "nothing");
}

std::string JsonObject::string(const char* key) const {
  const Json& value = at(key);
  if (!value.is_string()) refuse(key, "a string");
  return value.get<std::string>();
}

int64_t JsonObject::integer(const char* key) const {
  const Json& value = at(key);
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) refuse(key, "an integer below 2^63");
  if (value.is_number_integer()) return value.get<int64_t>();
  const double number = value.is_number() ? value.get<double>() : NAN;
  if (!(std::abs(number) < 9e15) || number != std::floor(number)) refuse(key, "an integer");
  return static_cast<int64_t>(number);
}

double JsonObject::number(const char* key) const {
  const Json& value = at(key);
  if (!value.is_number()) refuse(key, "a number");
  return value.get<double>();
}

bool JsonObject::boolean(const char* key) const {
  const Json& value = at(key);
  if (!value.is_boolean()) refuse(key, "true or false");
  return value.get<bool>();
}

JsonObject JsonObject::object(const char* key) const {
  return {at(key), where_ + ": " + key};
}

std::string JsonObject::string_or(const char* key, std::string otherwise) const {
  return has(key) ? string(key) : std::move(otherwise);
}
int64_t JsonObject::integer_or(const char* key, int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}
double JsonObject::number_or(const char* key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}
bool JsonObject::boolean_or(const char* key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}

std::optional<JsonObject> JsonObject::object_if(const char* key) const {
  if (!has(key)) return std::nullopt;
  return object(key);
}

std::vector<std::string> JsonObject::strings(const char* key) const {
  std::vector<std::string> out;
  const Json* value = find(key);
  if (!value) return out;
  if (!value->is_array()) refuse(key, "a list of strings");
  for (const Json& item : *value) {
    if (!item.is_string()) refuse(key, "a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  size_t best_distance = word.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j < row.size(); ++j) {
        const size_t substitute = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace assay
