#include "tokens/rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"

namespace assay {

namespace {

constexpr int64_t kMaxIds = int64_t{1} << 28;  // 1 GiB of ids

std::string hash_of(const std::vector<std::vector<int32_t>>& rows) {
  std::vector<int32_t> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return sha256(std::span<const int32_t>(all));
}

void finish(const DataSpec& spec, TokenRows& out) {
  out.warmup = spec.warmup_tokens;
  out.dataset = spec.display_name;
  out.subtitle = chart_subtitle(spec, out.eval_len, std::ssize(out.rows));
  out.data_spec_sha256 = spec.sha256;
  out.tokens_sha256 = hash_of(out.rows);
  out.notes.insert(out.notes.begin(), spec.notes.begin(), spec.notes.end());
}

std::vector<int32_t> row_of_ids(const Json& row, const std::string& where) {
  if (!row.is_array()) fail("{}: expected a list of token ids, found {}", where, row.type_name());
  std::vector<int32_t> ids;
  for (size_t i = 0; i < row.size(); ++i) {
    const Json& id = row[i];
    const bool valid = id.is_number_integer() && id >= 0 && id <= INT32_MAX;
    if (!valid)
      fail("{}, item {}: expected a token id (an integer from 0 to 2147483647), found {}", where, i, id.dump());
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

TokenRows given_rows(const DataSpec& spec) {
  const std::string where = spec.token_rows.string();
  const Json json = read_json(spec.token_rows);
  if (!json.is_array() || json.empty()) fail("{}: expected a list of rows, each a list of token ids", where);
  TokenRows out;
  const size_t count = spec.max_rows > 0 ? std::min(json.size(), static_cast<size_t>(spec.max_rows)) : json.size();
  for (size_t i = 0; i < count; ++i) {
    out.rows.push_back(row_of_ids(json[i], fmt::format("{}: row {}", where, i)));
    const size_t length = out.rows.front().size();
    if (out.rows.back().size() != length) {
      fail("{}: row {} has {} ids, row 0 has {}; all rows must have the same length", where, i, out.rows.back().size(),
           length);
    }
    out.starts.push_back(out.corpus_tokens);
    out.corpus_tokens += static_cast<int64_t>(length);
  }
  out.eval_len = out.stride = static_cast<int64_t>(out.rows.front().size());
  if (out.eval_len - spec.warmup_tokens < 2) {
    fail("{}: rows of {} ids with {} warmup tokens leave nothing to score; at least 2 must remain", where, out.eval_len,
         spec.warmup_tokens);
  }
  out.protocol = "token rows";
  finish(spec, out);
  return out;
}

/// The id that the tokenizer puts in front of every text.
std::optional<int32_t> bos_of(const Tokenizer& tokenizer) {
  const auto plain = tokenizer.encode("a", {.add_special = false, .parse_special = true});
  const auto full = tokenizer.encode("a", {.add_special = true, .parse_special = true});
  const bool added = !full.empty() && !plain.empty() && full.size() > plain.size() &&
                     !std::equal(plain.begin(), plain.end(), full.begin());
  return added ? std::optional(full.front()) : std::nullopt;
}

std::tm clock_now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

std::string protocol_note(const DatasetText& text) {
  static constexpr const char* kMeanings[] = {"blank rows dropped, the others joined with two newlines",
                                              "all rows joined with two newlines", "the bytes of the file"};
  return fmt::format("protocol {}: {} ({} rows, {} of them blank)", protocol_name(text.protocol),
                     kMeanings[static_cast<size_t>(text.protocol)], text.rows, text.blank_rows);
}

std::string llama_cpp_note(const DataSpec& spec) {
  return fmt::format(
      "protocol llama.cpp: one newline at the end dropped, disjoint windows of {} tokens that begin with the BOS "
      "(where "
      "the tokenizer adds one), the last {} predictions of each scored",
      spec.eval_len, spec.eval_len - spec.warmup_tokens - 1);
}

/// Cuts the windows and puts the prefix in front of each.
void cut_windows(const DataSpec& spec, const std::vector<int32_t>& corpus, const std::vector<int32_t>& prefix,
                 const std::string& where, TokenRows& out) {
  const auto tokens = static_cast<int64_t>(corpus.size());
  // Only llama.cpp has use for a window that ends with the text.
  const int64_t last = spec.llama_cpp ? 1 : 0;
  out.starts = window_starts(tokens + last, spec.eval_len, spec.eval_stride, spec.max_rows);
  if (out.starts.empty()) {
    fail("{}: the text is too short: {} tokens, but \"eval_len\" {} needs at least {}", where, tokens, spec.eval_len,
         spec.eval_len + 1 - last);
  }
  const int64_t row_length = static_cast<int64_t>(prefix.size()) + spec.eval_len;
  if (static_cast<int64_t>(out.starts.size()) > kMaxIds / row_length) {
    fail("{}: {} rows of {} tokens are more than {} ids; set \"max_rows\" or a larger \"eval_stride\"", where,
         out.starts.size(), row_length, kMaxIds);
  }
  for (const int64_t start : out.starts) {
    std::vector<int32_t>& row = out.rows.emplace_back(prefix);
    row.insert(row.end(), corpus.begin() + start, corpus.begin() + start + spec.eval_len);
    if (spec.llama_cpp && out.bos) row.front() = *out.bos;
  }
}

}  // namespace

std::vector<int64_t> window_starts(int64_t tokens, int64_t length, int64_t stride, int64_t max_rows) {
  ASSAY_CHECK(tokens >= 0 && length > 0 && stride > 0 && max_rows >= 0);
  std::vector<int64_t> starts;
  for (int64_t start = 0; start < tokens - length;) {
    if (max_rows > 0 && static_cast<int64_t>(starts.size()) == max_rows) break;
    starts.push_back(start);
    if (__builtin_add_overflow(start, stride, &start)) break;
  }
  return starts;
}

TokenRows make_rows(const DataSpec& spec, const RowOptions& options) {
  if (!spec.token_rows.empty()) return given_rows(spec);
  return make_rows(spec, *open_tokenizer(spec.tokenizer_dir), options);
}

TokenRows make_rows(const DataSpec& spec, const Tokenizer& tokenizer, const RowOptions& options) {
  if (!spec.token_rows.empty()) return given_rows(spec);
  DatasetText text = load_dataset(spec.dataset, options.locations);
  TokenRows out;
  out.protocol = spec.llama_cpp ? "llama.cpp" : protocol_name(text.protocol);
  out.notes = tokenizer.notes();
  out.notes.push_back(protocol_note(text));
  if (spec.llama_cpp) {
    if (text.text.ends_with('\n')) text.text.pop_back();
    out.notes.push_back(llama_cpp_note(spec));
  }
  out.text_sha256 = sha256(std::string_view(text.text));

  ChatPrefix prefix;
  if (spec.chat_template) {
    const std::tm now = options.now ? *options.now : clock_now();
    prefix = chat_prefix(spec.tokenizer_dir, tokenizer, now, spec.prefix_kind, spec.prompt);
    out.notes.insert(out.notes.end(), prefix.notes.begin(), prefix.notes.end());
  }
  // One call for the whole text: a BOS stands at its very start, so only in row 0.
  const auto corpus =
      tokenizer.encode(text.text, {.add_special = spec.add_special, .parse_special = spec.parse_special});
  out.corpus_tokens = static_cast<int64_t>(corpus.size());
  if (spec.add_special) out.bos = bos_of(tokenizer);
  out.prefix_len = static_cast<int64_t>(prefix.ids.size());
  out.eval_len = spec.eval_len;
  out.stride = spec.eval_stride;
  cut_windows(spec, corpus, prefix.ids, text.file.string(), out);
  finish(spec, out);
  return out;
}

}  // namespace assay
