#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

/// config.json (or a section of it) as an architecture reads it. Remembers every key that was asked for, so that
/// check_unread() can tell which of the others would have changed the maths.
class Keys {
 public:
  explicit Keys(JsonObject object) : object_(std::move(object)) {}

  /// A whole number of things: 1 .. 2^30, so that the product of two always fits an int64_t.
  int64_t size(const char* key);
  int64_t size_or(const char* key, int64_t otherwise);
  /// Not negative, at most 2^30.
  int64_t count_or(const char* key, int64_t otherwise);
  /// Finite and above zero.
  double positive(const char* key);
  double positive_or(const char* key, double otherwise);
  /// 0 where the config says null, which means "none".
  double positive_or_none(const char* key, double otherwise);
  double number_or(const char* key, double otherwise);
  bool boolean_or(const char* key, bool otherwise);
  /// The same where some configs write a number, 0 for false.
  bool flag_or(const char* key, bool otherwise);
  std::string string(const char* key);
  std::string string_or(const char* key, std::string otherwise);
  std::vector<std::string> strings(const char* key);
  /// May hold infinities and NaN.
  std::vector<double> numbers(const char* key);
  std::vector<int64_t> integers(const char* key);
  /// A nested object, read with the same care; null when absent. Lives as long as this one.
  Keys* section(const char* key);

  bool has(const char* key);
  bool is(const char* key, std::string_view text);
  /// Written down as null, which some libraries do not take for absent.
  bool is_null(const char* key);
  bool is_string(const char* key);
  bool is_list(const char* key);
  /// The value itself; null when absent.
  const Json* raw(const char* key) { return asked(key).find(key); }
  /// Keys that this architecture knows and that change nothing.
  void ignore(std::initializer_list<const char*> keys);
  [[noreturn]] void refuse(const char* key, const std::string& expected) const { object_.refuse(key, expected); }
  const std::string& where() const { return object_.where(); }

  /// Error for a key that nobody asked for, that changes the maths in some architecture, and that is not neutral here.
  /// Other keys that nobody asked for and that are not known to be inert are appended to `notes`.
  void check_unread(const std::string& architecture, std::vector<std::string>& notes) const;

 private:
  const JsonObject& asked(const char* key);

  JsonObject object_;
  std::set<std::string, std::less<>> asked_;
  std::map<std::string, Keys, std::less<>> sections_;
};

}  // namespace assay
