#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

using Json = nlohmann::json;

/// Parses JSON text from a stranger: `where` begins every message. Nesting beyond 100 levels is refused.
Json parse_json(std::string_view text, const std::string& where);
/// The same for a whole file; absent, unreadable, or over 1 GiB: Error.
Json read_json(const std::filesystem::path& path);
/// The whole file as bytes. Error when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Typed access to one JSON object; messages name the file, the key, and what was found instead.
/// A missing key and a null value are the same thing here, as they are to the tools that write these files.
class JsonObject {
 public:
  JsonObject(const Json& value, std::string where);

  const Json* find(const char* key) const;  // null when absent or null
  bool has(const char* key) const { return find(key) != nullptr; }

  std::string string(const char* key) const;
  int64_t integer(const char* key) const;
  double number(const char* key) const;
  bool boolean(const char* key) const;
  JsonObject object(const char* key) const;

  std::string string_or(const char* key, std::string otherwise) const;
  int64_t integer_or(const char* key, int64_t otherwise) const;
  double number_or(const char* key, double otherwise) const;
  bool boolean_or(const char* key, bool otherwise) const;
  std::optional<JsonObject> object_if(const char* key) const;
  /// Absent or null: empty.
  std::vector<std::string> strings(const char* key) const;

  const Json& json() const { return *value_; }
  const std::string& where() const { return where_; }
  /// A message about one key of this object, thrown as Error.
  [[noreturn]] void refuse(const char* key, const std::string& expected) const;

 private:
  const Json& at(const char* key) const;
  const Json* value_;
  std::string where_;
};

/// The candidate nearest to `word` by edit distance, when it is near enough to be a slip of the keyboard.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace assay
