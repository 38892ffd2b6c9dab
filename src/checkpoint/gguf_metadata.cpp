#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_cursor.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

using Kind = GgufMetadata::Kind;

constexpr const char* kKey = "a metadata value";
/// A value that a message shows, at most.
constexpr uint64_t kShownElements = 8;

Json take(GgufCursor& cursor, Kind kind, uint64_t most);

/// Of an array's elements the first `most`.
Json take_elements(GgufCursor& cursor, Kind element, uint64_t count, uint64_t most) {
  Json list = Json::array();
  for (uint64_t i = 0; i < std::min(count, most); ++i) list.push_back(take(cursor, element, most));
  return list;
}

Json take(GgufCursor& cursor, Kind kind, uint64_t most) {
  switch (kind) {
    case Kind::u8:
      return cursor.take<uint8_t>(kKey);
    case Kind::i8:
      return cursor.take<int8_t>(kKey);
    case Kind::u16:
      return cursor.take<uint16_t>(kKey);
    case Kind::i16:
      return cursor.take<int16_t>(kKey);
    case Kind::u32:
      return cursor.take<uint32_t>(kKey);
    case Kind::i32:
      return cursor.take<int32_t>(kKey);
    case Kind::f32:
      return cursor.take<float>(kKey);
    case Kind::boolean:
      return cursor.take<uint8_t>(kKey) != 0;
    case Kind::string:
      return cursor.take_string(kKey, UINT64_MAX);
    case Kind::u64:
      return cursor.take<uint64_t>(kKey);
    case Kind::i64:
      return cursor.take<int64_t>(kKey);
    case Kind::f64:
      return cursor.take<double>(kKey);
    case Kind::array:
      break;
  }
  const auto element = static_cast<Kind>(cursor.take<uint32_t>(kKey));
  const auto count = cursor.take<uint64_t>(kKey);
  return take_elements(cursor, element, count, most);
}

bool is_integer(const Json& value) {
  return value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
}

}  // namespace

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

const GgufMetadata::Value& GgufMetadata::at(std::string_view key) const {
  if (const Value* value = find(key)) return *value;
  std::vector<std::string> keys;
  for (const auto& [existing, value] : values_) keys.push_back(existing);
  const auto near = nearest(key, keys);
  fail("{}: metadata key {} is missing{}", path().string(), printable(key),
       near ? "; the nearest is " + printable(*near) : "");
}

Json GgufMetadata::first(const Value& value, uint64_t most) const {
  GgufCursor cursor(*file_, value.offset, big_endian_);
  if (value.kind != Kind::array) return take(cursor, value.kind, most);
  return take_elements(cursor, value.element, value.count, most);
}

Json GgufMetadata::json(std::string_view key) const {
  return first(at(key), UINT64_MAX);
}

void GgufMetadata::refuse(std::string_view key, const std::string& expected) const {
  const Value* value = find(key);
  std::string found = "nothing";
  if (value) {
    found = printable(first(*value, kShownElements).dump(-1, ' ', false, Json::error_handler_t::replace));
    if (value->kind == Kind::array && value->count > kShownElements) found += fmt::format(" of {}", value->count);
  }
  fail("{}: metadata key {}: expected {}, found {}", path().string(), printable(key), expected, found);
}

std::string GgufMetadata::string(std::string_view key) const {
  if (at(key).kind != Kind::string) refuse(key, "a string");
  return json(key).get<std::string>();
}

int64_t GgufMetadata::integer(std::string_view key) const {
  const Value& value = at(key);
  const Json number = value.kind == Kind::array ? Json() : first(value, 1);
  if (!is_integer(number)) refuse(key, "an integer");
  return number.get<int64_t>();
}

double GgufMetadata::number(std::string_view key) const {
  const Value& value = at(key);
  const Json number = value.kind == Kind::array ? Json() : first(value, 1);
  if (!number.is_number()) refuse(key, "a number");
  return number.get<double>();
}

bool GgufMetadata::boolean(std::string_view key) const {
  if (at(key).kind != Kind::boolean) refuse(key, "true or false");
  return json(key).get<bool>();
}

std::string GgufMetadata::string_or(std::string_view key, std::string otherwise) const {
  return has(key) ? string(key) : std::move(otherwise);
}
int64_t GgufMetadata::integer_or(std::string_view key, int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}
double GgufMetadata::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}
bool GgufMetadata::boolean_or(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}

uint64_t GgufMetadata::count(std::string_view key) const {
  const Value* value = find(key);
  return value ? value->count : 0;
}

template <class T, class Accept>
std::vector<T> GgufMetadata::list(std::string_view key, const char* expected, Accept accept) const {
  std::vector<T> out;
  const Value* value = find(key);
  if (!value) return out;
  out.reserve(value->count);
  GgufCursor cursor(*file_, value->offset, big_endian_);
  const Kind element = value->kind == Kind::array ? value->element : value->kind;
  if (element == Kind::array) refuse(key, expected);
  for (uint64_t i = 0; i < value->count; ++i) {
    const Json item = take(cursor, element, 1);
    if (!accept(item)) refuse(key, expected);
    out.push_back(item.get<T>());
  }
  return out;
}

std::vector<std::string> GgufMetadata::strings(std::string_view key) const {
  return list<std::string>(key, "a list of strings", [](const Json& item) { return item.is_string(); });
}
std::vector<int64_t> GgufMetadata::integers(std::string_view key) const {
  return list<int64_t>(key, "a list of integers", is_integer);
}
std::vector<double> GgufMetadata::numbers(std::string_view key) const {
  return list<double>(key, "a list of numbers", [](const Json& item) { return item.is_number(); });
}
std::vector<bool> GgufMetadata::booleans(std::string_view key) const {
  return list<bool>(key, "a list of true and false", [](const Json& item) { return item.is_boolean(); });
}

}  // namespace assay
