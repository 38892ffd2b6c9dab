#include "formats/shared/pattern.h"

#include <oniguruma.h>

#include <mutex>

#include "base/error.h"
#include "checkpoint/printable.h"

namespace assay {

namespace {

constexpr size_t kLongestPattern = 4096;
constexpr unsigned long kMatchRetries = 100'000;

const OnigUChar* bytes(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

std::string reason(int code, OnigErrorInfo* info = nullptr) {
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(length)};
}

regex_t* compile(const std::string& pattern, const std::string& where) {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
  if (pattern.size() > kLongestPattern) {
    fail("{}: pattern {} is longer than {} bytes", where, printable(pattern), kLongestPattern);
  }
  regex_t* regex = nullptr;
  OnigErrorInfo info{};
  const int code = onig_new(&regex, bytes(pattern), bytes(pattern) + pattern.size(), ONIG_OPTION_DEFAULT,
                            ONIG_ENCODING_UTF8, ONIG_SYNTAX_PYTHON, &info);
  if (code != ONIG_NORMAL) fail("{}: pattern {}: {}", where, printable(pattern), reason(code, &info));
  return regex;
}

}  // namespace

Pattern::Pattern(const std::string& pattern, std::string where)
    : regex_(compile(pattern, where), [](const re_pattern_buffer* regex) { onig_free(const_cast<regex_t*>(regex)); }),
      pattern_(pattern),
      where_(std::move(where)) {}

namespace {

using Limits = std::unique_ptr<OnigMatchParam, void (*)(OnigMatchParam*)>;

Limits limits() {
  Limits limits(onig_new_match_param(), onig_free_match_param);
  onig_initialize_match_param(limits.get());
  onig_set_retry_limit_in_match_of_match_param(limits.get(), kMatchRetries);
  onig_set_retry_limit_in_search_of_match_param(limits.get(), kMatchRetries);
  return limits;
}

}  // namespace

bool Pattern::matches_start(std::string_view text) const {
  const OnigUChar* begin = bytes(text);
  const OnigUChar* end = begin + text.size();
  return judge(onig_match_with_param(const_cast<regex_t*>(regex_.get()), begin, end, begin, nullptr, ONIG_OPTION_NONE,
                                     limits().get()),
               text);
}

bool Pattern::found_in(std::string_view text) const {
  const OnigUChar* begin = bytes(text);
  const OnigUChar* end = begin + text.size();
  return judge(onig_search_with_param(const_cast<regex_t*>(regex_.get()), begin, end, begin, end, nullptr,
                                      ONIG_OPTION_NONE, limits().get()),
               text);
}

bool Pattern::judge(int result, std::string_view text) const {
  if (result == ONIG_MISMATCH) return false;
  if (result < 0) fail("{}: pattern {} on {}: {}", where_, printable(pattern_), printable(text), reason(result));
  return true;
}

}  // namespace assay
