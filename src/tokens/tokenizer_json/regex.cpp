#include "tokens/tokenizer_json/regex.h"

#include <oniguruma.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

constexpr size_t kMaxPattern = 1 << 16;
// Steps back that a search may take. It starts with the small limit, enough for nearly all, and is repeated with larger
// ones; only those repeats are charged to the budget of the text. One match may take what the engine allows by default.
constexpr size_t kFirstLimit = 4096, kLimitStep = 16, kMatchLimit = 10'000'000;

std::string onig_message(int code, OnigErrorInfo* info) {
  UChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = info ? onig_error_code_to_str(buffer, code, info) : onig_error_code_to_str(buffer, code);
  return std::string(reinterpret_cast<char*>(buffer), length);
}

/// Searches one text; owns the engine's scratch objects.
class Search {
 public:
  Search(OnigRegex regex, std::string_view text)
      : regex_(regex),
        begin_(reinterpret_cast<const UChar*>(text.data())),
        end_(begin_ + text.size()),
        budget_(100'000'000 + 1000 * text.size()) {
    onig_initialize_match_param(param_.get());
    onig_set_match_stack_limit_size_of_match_param(
        param_.get(), static_cast<unsigned>(std::min<size_t>(1'000'000 + 8 * text.size(), 1'000'000'000)));
    set_limit(kFirstLimit);
  }

  /// Start of the next match at or after `from`, or a negative code.
  int next(size_t from) {
    int found = search(from);
    for (size_t limit = kFirstLimit; wants_more(found, limit);) {
      limit *= kLimitStep;
      if (budget_ < limit) break;
      budget_ -= limit;
      set_limit(limit);
      found = search(from);
      set_limit(kFirstLimit);
    }
    return found;
  }
  size_t begin() const { return region_->beg[0]; }
  size_t end() const { return region_->end[0]; }

 private:
  int search(size_t from) {
    return onig_search_with_param(regex_, begin_, end_, begin_ + from, end_, region_.get(), ONIG_OPTION_NONE,
                                  param_.get());
  }
  static bool wants_more(int code, size_t limit) {
    return code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER ||
           (code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER && limit < kMatchLimit);
  }
  void set_limit(size_t limit) {
    onig_set_retry_limit_in_match_of_match_param(param_.get(), std::min(limit, kMatchLimit));
    onig_set_retry_limit_in_search_of_match_param(param_.get(), limit);
  }

  struct FreeRegion {
    void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
  };
  struct FreeParam {
    void operator()(OnigMatchParam* param) const { onig_free_match_param(param); }
  };
  OnigRegex regex_;
  const UChar *begin_, *end_;
  size_t budget_;
  std::unique_ptr<OnigRegion, FreeRegion> region_{onig_region_new()};
  std::unique_ptr<OnigMatchParam, FreeParam> param_{onig_new_match_param()};
};

}  // namespace

void Regex::Free::operator()(re_pattern_buffer* regex) const {
  onig_free(regex);
}

Regex::Regex(const std::string& pattern, std::string where) : where_(std::move(where)) {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
  if (pattern.size() > kMaxPattern)
    fail("{}: pattern of {} bytes, expected at most {}", where_, pattern.size(), kMaxPattern);
  const auto* begin = reinterpret_cast<const UChar*>(pattern.data());
  OnigErrorInfo info;
  OnigRegex regex = nullptr;
  const int code = onig_new(&regex, begin, begin + pattern.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                            ONIG_SYNTAX_ONIGURUMA, &info);
  if (code != ONIG_NORMAL) fail("{}: pattern /{}/ does not compile: {}", where_, pattern, onig_message(code, &info));
  regex_.reset(regex);
}

void Regex::find_all(std::string_view text, std::vector<Span>& matches) const {
  if (text.size() > INT32_MAX)
    fail("{}: text of {} bytes is longer than the 2 GiB that a pattern can search", where_, text.size());
  Search search(regex_.get(), text);
  size_t from = 0, last_end = std::string_view::npos;
  while (from <= text.size()) {
    const int found = search.next(from);
    if (found == ONIG_MISMATCH) break;
    if (found < 0) {
      fail("{}: pattern gave up at byte {} of {}: {}", where_, from, text.size(), onig_message(found, nullptr));
    }
    const Span match{search.begin(), search.end()};
    if (match.begin == match.end && match.end == last_end) {
      if (from == text.size()) break;
      next_char(text, from);
      continue;
    }
    matches.push_back(match);
    from = last_end = match.end;
  }
}

}  // namespace assay::text
