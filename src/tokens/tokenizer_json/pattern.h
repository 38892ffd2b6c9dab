#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer_json/pieces.h"
#include "tokens/tokenizer_json/regex.h"

namespace assay::text {

/// What a step looks for: a fixed string, a regular expression, or single characters of a class.
class Pattern {
 public:
  using CharClass = bool (*)(char32_t);

  explicit Pattern(std::string literal) : what_(std::move(literal)) {}
  explicit Pattern(Regex regex) : what_(std::move(regex)) {}
  explicit Pattern(CharClass of_class) : what_(of_class) {}
  /// {"String": …} or {"Regex": …} under the key "pattern".
  static Pattern from_json(const JsonObject& step);

  /// Appends the matches, left to right, without overlap.
  void find_all(std::string_view text, std::vector<Span>& matches) const;

  /// The text with every match replaced.
  std::string replaced(std::string_view text, std::string_view by) const;

 private:
  std::variant<std::string, Regex, CharClass> what_;
};

}  // namespace assay::text
