#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokens/tokenizer_json/pieces.h"

struct re_pattern_buffer;

namespace assay::text {

/// A pattern of the dialect that `tokenizer.json` is written for (Oniguruma). Safe to share between threads.
class Regex {
 public:
  /// `where` begins messages about the pattern.
  Regex(const std::string& pattern, std::string where);

  /// Appends the matches, left to right, without overlap; empty matches included. Error when the pattern needs
  /// unreasonably many steps on this text.
  void find_all(std::string_view text, std::vector<Span>& matches) const;

 private:
  struct Free {
    void operator()(re_pattern_buffer* regex) const;
  };
  std::unique_ptr<re_pattern_buffer, Free> regex_;
  std::string where_;
};

}  // namespace assay::text
