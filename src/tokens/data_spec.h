#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokens/chat/chat_template.h"
#include "tokens/datasets.h"

namespace assay {

/// Which rows of tokens to score: compare_q's data spec, with names and defaults as there.
struct DataSpec {
  std::filesystem::path tokenizer_dir;
  DatasetRequest dataset;
  int64_t eval_len = 0;       ///< tokens of a window, without the chat prefix
  int64_t eval_stride = 0;    ///< distance of window starts
  int64_t max_rows = 0;       ///< 0: all
  int64_t warmup_tokens = 0;  ///< leading positions of a window that are not scored
  bool chat_template = false;
  ChatPrefixKind prefix_kind = ChatPrefixKind::prompt;
  std::string prompt = "Say something.";
  bool add_special = true;    ///< BOS in front of the text, if the tokenizer adds one
  bool parse_special = true;  ///< names of special tokens in the text are those tokens

  /// Windows, BOS and scoring as llama.cpp's perplexity tool does; see as_llama_cpp().
  bool llama_cpp = false;

  /// A JSON file with rows of token ids; then tokenizer, data set and windows are not needed.
  std::filesystem::path token_rows;

  std::string display_name;
  std::string display_rows;      ///< in the chart's subtitle in place of the number of rows, or empty
  std::string display_eval_len;  ///< empty: eval_len - warmup_tokens

  std::string sha256;              ///< as compare_q names its logits files
  std::vector<std::string> notes;  ///< keys that were ignored
};

/// Error when a key is missing, malformed, out of range, or looks like a misspelling of a known one.
DataSpec read_data_spec(const std::filesystem::path& file);
/// `base`: directory that relative paths start from.
DataSpec parse_data_spec(const Json& json, const std::string& where, const std::filesystem::path& base);

/// The spec with the protocol of llama.cpp's perplexity tool: the text as it is but for one newline at its end,
/// tokenized once, names of special tokens being plain text; windows of `length` side by side, the first token of each
/// replaced by the BOS where the tokenizer adds one; their second halves scored. What the spec says about windows is
/// dropped, but for max_rows.
DataSpec as_llama_cpp(DataSpec spec, int64_t length);
constexpr int64_t kLlamaCppLength = 512;

/// "<name>, <rows> × <len> tokens[, <w> token warmup][, formatted]".
std::string chart_subtitle(const DataSpec& spec, int64_t eval_len, int64_t rows);

}  // namespace assay
