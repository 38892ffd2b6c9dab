#pragma once
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "tokens/data_spec.h"
#include "tokens/tokenizer.h"

namespace assay {

/// The token rows that every model of a run is scored on.
struct TokenRows {
  std::vector<std::vector<int32_t>> rows;  ///< each: prefix_len ids, then eval_len ids
  std::vector<int64_t> starts;             ///< position of each window in the tokens of the text
  int64_t prefix_len = 0;
  int64_t eval_len = 0;
  int64_t stride = 0;
  int64_t warmup = 0;

  std::string dataset;             ///< name for reports
  std::string protocol;            ///< "P1", "P2", "P3"; "token rows" when the ids were given
  std::string subtitle;            ///< for the chart
  std::optional<int32_t> bos;      ///< first id of the text, when the tokenizer put it there
  int64_t corpus_tokens = 0;       ///< of the whole text, BOS included
  std::string text_sha256;         ///< empty when the ids were given
  std::string tokens_sha256;       ///< of all ids, row-major, int32 little-endian
  std::string data_spec_sha256;    ///< as compare_q names its logits files
  std::vector<std::string> notes;  ///< what the report should say

  /// Logits position p of a row predicts the row's id p + 1. Scored for KLD: the last `scored_positions` of a row.
  int64_t first_scored_position() const { return prefix_len + warmup; }
  int64_t scored_positions() const { return eval_len - warmup; }
  /// Scored for perplexity: positions from first_scored_position on, all but the row's last, which has no target.
  int64_t targets_per_row() const { return scored_positions() - 1; }
  int64_t targets() const { return targets_per_row() * static_cast<int64_t>(rows.size()); }
};

struct RowOptions {
  DataLocations locations;
  std::optional<std::tm> now;  ///< the date that a chat template prints; the clock's when not given
};

/// Builds the rows of a data spec, with the tokenizer it names. Error when the text is too short for one window.
TokenRows make_rows(const DataSpec& spec, const RowOptions& options = {});
/// The same with a tokenizer that is open already; a chat template is still looked for in the spec's tokenizer_dir.
TokenRows make_rows(const DataSpec& spec, const Tokenizer& tokenizer, const RowOptions& options = {});

/// Window starts: 0, stride, 2 stride, ... while start < tokens - length. (A window that would end exactly at the last
/// token is left out, as compare_q does.) `max_rows` 0: all.
std::vector<int64_t> window_starts(int64_t tokens, int64_t length, int64_t stride, int64_t max_rows);

}  // namespace assay
