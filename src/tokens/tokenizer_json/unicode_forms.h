#pragma once
#include <string>
#include <string_view>

namespace assay::text {

/// NFC, NFD, NFKC, NFKD.
struct UnicodeForm {
  bool compose;
  bool compatibility;
};

std::string to_form(std::string_view text, UnicodeForm form);

/// Character by character, as the full Unicode mapping without context (no final sigma).
std::string to_lower(std::string_view text);

}  // namespace assay::text
