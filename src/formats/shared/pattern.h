#pragma once
#include <memory>
#include <string>
#include <string_view>

struct re_pattern_buffer;

namespace assay {

/// A regular expression with the meaning of Python's `re`, from a file: patterns that would search for too long are an
/// Error. Thread-safe.
class Pattern {
 public:
  /// `where` begins every message.
  Pattern(const std::string& pattern, std::string where);

  /// Python's re.match: from the first character on, not necessarily to the last.
  bool matches_start(std::string_view text) const;
  /// Python's re.search: anywhere in the text.
  bool found_in(std::string_view text) const;

 private:
  bool judge(int result, std::string_view text) const;

  std::shared_ptr<const re_pattern_buffer> regex_;
  std::string pattern_;
  std::string where_;
};

}  // namespace assay
