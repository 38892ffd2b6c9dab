#include "base/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace assay {

namespace {

constexpr int64_t kMaxNodes = 100'000;
constexpr int kMaxDepth = 100;

bool one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// A word without quotes.
Json plain(const std::string& word) {
  if (one_of(word, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (one_of(word, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (one_of(word, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  const size_t sign = word[0] == '-' || word[0] == '+' ? 1 : 0;
  const size_t digits = std::min(word.find_first_not_of("0123456789", sign), word.size());
  const char* end = word.data() + word.size();
  if (digits == word.size() && digits > sign && digits - sign <= 18) {
    return static_cast<int64_t>(std::strtoll(word.c_str(), nullptr, 10));
  }
  const bool number = word.find_first_not_of("0123456789+-.eE") == std::string::npos && digits > sign;
  char* stop = nullptr;
  const double value = number ? std::strtod(word.c_str(), &stop) : 0;
  if (number && stop == end && std::isfinite(value)) return value;
  return word;
}

class Converter {
 public:
  explicit Converter(const std::string& where) : where_(where) {}

  Json convert(const YAML::Node& node, int depth = 0) {
    if (++nodes_ > kMaxNodes) refuse(node, "the aliases of this file expand to too much");
    if (depth > kMaxDepth) refuse(node, "nested too deeply");
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return node.Tag() == "?" || node.Tag().empty() ? plain(node.Scalar()) : Json(node.Scalar());
      case YAML::NodeType::Sequence: {
        Json list = Json::array();
        for (const YAML::Node& item : node) list.push_back(convert(item, depth + 1));
        return list;
      }
      case YAML::NodeType::Map:
        return map(node, depth);
      default:
        return nullptr;
    }
  }

 private:
  Json map(const YAML::Node& node, int depth) {
    Json object = Json::object(), merged = Json::object();
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) refuse(pair.first, "a key must be a word");
      const std::string& key = pair.first.Scalar();
      Json value = convert(pair.second, depth + 1);
      if (key == "<<") {
        merge(pair.second, value, merged);
      } else if (!object.emplace(key, std::move(value)).second) {
        refuse(pair.first, "the key \"" + key + "\" is there twice");
      }
    }
    for (auto& [key, value] : merged.items()) object.emplace(key, value);
    return object;
  }

  void merge(const YAML::Node& node, const Json& value, Json& merged) const {
    for (const Json& source : value.is_array() ? value : Json::array({value})) {
      if (!source.is_object()) refuse(node, "\"<<\" needs a mapping, or a list of them");
      for (const auto& [key, inner] : source.items()) merged.emplace(key, inner);
    }
  }

  [[noreturn]] void refuse(const YAML::Node& node, const std::string& message) const {
    const YAML::Mark mark = node.Mark();
    fail("{}: line {}, column {}: {}", where_, mark.line + 1, mark.column + 1, message);
  }

  const std::string& where_;
  int64_t nodes_ = 0;
};

}  // namespace

Json parse_yaml(const std::string& text, const std::string& where) {
  try {
    return Converter(where).convert(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    fail("{}: line {}, column {}: {}", where, e.mark.line + 1, e.mark.column + 1, e.msg);
  }
}

Json read_yaml(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  constexpr size_t kMaxBytes = 1 << 20;
  if (text.size() > kMaxBytes) fail("{}: {} bytes are too many for a project file", path.string(), text.size());
  return parse_yaml(text, path.string());
}

}  // namespace assay
