#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/storage.h"

namespace assay {

/// "0.1.0".
extern const char* const kVersion;

/// What running a model gave. NaN where a number does not exist.
struct Measurement {
  double mean_nll = 0, nll_se = 0;  ///< nats a scored token
  double ppl = 0, ppl_se = 0;
  std::vector<double> row_nll;
  double seconds = 0;
  double tokens_per_second = 0;  ///< of all tokens fed, scored or not
  uint64_t peak_rss_bytes = 0;
  std::map<std::string, double> stage_seconds;
  std::vector<std::string> notes;
};

/// One line of a run: what the model is, what it costs, what it predicts.
struct ModelResult {
  std::string label, model_dir;
  std::string error;  ///< why there are no numbers; empty = ok
  std::string precision, activations, kv_cache;
  std::string architecture;
  bool tied = false;  ///< the head is the embedding
  std::optional<Storage> storage;
  /// The model spec's override_*: they stand for a model that is stored dequantized.
  std::optional<double> override_bpw_layer, override_bpw_head, override_vram_bits;
  std::optional<Measurement> measured;
  bool cached = false;
  std::vector<std::string> notes;

  bool ok() const { return error.empty(); }
  bool overridden() const { return override_bpw_layer || override_bpw_head || override_vram_bits; }
  /// compare_q's accounting, overrides applied. Needs `storage`.
  Storage::CompareQ compare_q() const;
  /// Bits of the whole file for each weight of decoder, embedding and head. Needs `storage`.
  double file_bpw() const;
};

/// What all models of a run read.
struct DataRecord {
  std::string dataset;
  int64_t rows = 0, length = 0, stride = 0, warmup = 0;
  int64_t tokens_scored = 0;
  std::string tokens_sha256;
  std::string protocol;        ///< how rows became one text: "P1", "P2", "P3", "token rows"
  int64_t prefix = 0;          ///< tokens put in front of each window
  int64_t first_scored = 0;    ///< position in a row whose logits are scored first
  std::optional<int32_t> bos;  ///< the id that the tokenizer put in front of the text
  int64_t corpus_tokens = 0;
  std::string text_sha256;  ///< empty when token ids were given
  std::string clusters;     ///< what the standard errors take as independent: "rows", "blocks"
  std::vector<std::string> notes;
};

struct Result {
  std::string device;
  int threads = 0;
  bool complete = false;  ///< no model is missing
  DataRecord data;
  std::vector<ModelResult> models;
};

/// What `inspect` finds in one checkpoint.
struct InspectRecord {
  std::string model_dir;
  std::string error;
  std::string architecture;
  std::string declared;  ///< quantization method of the config, empty = none
  bool tied = false;
  std::optional<Storage> storage;
  std::map<std::string, std::string> sha256;  ///< dense name -> hash of the decoded values
  std::vector<std::string> notes;
};

}  // namespace assay
