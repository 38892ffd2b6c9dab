#include "cli/data.h"

#include "stats/estimate.h"

namespace assay {

namespace {

BenchmarkData benchmark_data(const TokenRows& rows) {
  BenchmarkData data;
  for (const std::vector<int32_t>& row : rows.rows) data.ids.insert(data.ids.end(), row.begin(), row.end());
  data.row_length = rows.prefix_len + rows.eval_len;
  data.first = rows.first_scored_position();
  data.windows = {.rows = static_cast<int64_t>(rows.rows.size()),
                  .count = rows.targets_per_row(),
                  .length = rows.eval_len,
                  .stride = rows.stride,
                  .offset = rows.warmup + 1};
  data.record = {.dataset = rows.dataset,
                 .rows = data.windows.rows,
                 .length = rows.eval_len,
                 .stride = rows.stride,
                 .warmup = rows.warmup,
                 .tokens_scored = rows.targets(),
                 .tokens_sha256 = rows.tokens_sha256,
                 .protocol = rows.protocol,
                 .prefix = rows.prefix_len,
                 .first_scored = data.first,
                 .bos = rows.bos,
                 .corpus_tokens = rows.corpus_tokens,
                 .text_sha256 = rows.text_sha256,
                 .clusters = default_clustering(data.windows) == Clustering::rows ? "rows" : "blocks",
                 .notes = rows.notes};
  return data;
}

}  // namespace

std::filesystem::path tokenizer_of(const Checkpoint& checkpoint) {
  const std::filesystem::path& file = checkpoint.files().front().path;
  return checkpoint.gguf() ? file : file.parent_path();
}

BenchmarkData load_data(const DataSpec& spec, const std::filesystem::path& text, const RunOptions& options,
                        Console& console) {
  console.say("Loading dataset: {}", spec.display_name);
  RowOptions where;
  where.locations.text_file = text;
  if (!options.data_dir.empty()) where.locations.folders.push_back(options.data_dir);
  std::shared_ptr<const Tokenizer> tokenizer;
  if (spec.token_rows.empty()) tokenizer = open_tokenizer(spec.tokenizer_dir);
  const TokenRows rows = tokenizer ? make_rows(spec, *tokenizer, where) : make_rows(spec, where);
  for (const std::string& note : rows.notes) console.note(note);
  BenchmarkData data = benchmark_data(rows);
  data.tokenizer = tokenizer;
  data.tokenizer_path = spec.tokenizer_dir;
  data.record.subtitle = rows.subtitle;
  console.say("{} rows of {} tokens, stride {}: {} scored tokens", data.record.rows, data.row_length,
              data.record.stride, data.record.tokens_scored);
  return data;
}

}  // namespace assay
