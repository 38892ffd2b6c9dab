#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/storage.h"
#include "stats/divergence.h"

namespace assay {

/// "0.1.0".
extern const char* const kVersion;

/// A token that a model thinks possible.
struct ProbableToken {
  std::string text;
  double probability = 0;
};

/// The text around a token.
struct TokenContext {
  std::string before, token, after;
};

/// A token of the text, and how differently a model and its reference expected it.
struct ViewToken {
  int64_t row = 0, position = 0;  ///< of the logits that predict it, as in TokenMeasures
  std::string text;
  double kld = NAN;
  std::vector<ProbableToken> reference, model;  ///< the most probable ones, best first
};

/// A model beside its reference.
struct Comparison {
  std::string reference;          ///< label
  std::string reference_content;  ///< hash of what it was; empty = not known
  int64_t vocabulary = 0;         ///< logits that both have
  Divergence divergence;
  std::vector<TokenContext> worst;  ///< the text of divergence.worst; empty = not known
  std::vector<ViewToken> view;      ///< a stretch of the text; empty = not kept
};

/// What running a model gave. NaN where a number does not exist.
struct Measurement {
  double mean_nll = 0, nll_se = 0;  ///< nats a scored token
  int64_t nll_df = 0;               ///< degrees of freedom of the error
  double ppl = 0, ppl_se = 0;
  std::vector<double> row_nll;
  ClusterSums clusters;  ///< of the NLL, for paired comparisons; empty = not known
  std::optional<Comparison> comparison;
  double seconds = 0;
  double tokens_per_second = 0;  ///< of all tokens fed, scored or not
  uint64_t peak_rss_bytes = 0;
  std::map<std::string, double> stage_seconds;
  std::vector<std::string> notes;
};

enum class ModelRole : uint8_t {
  model,
  reference,    ///< what the others are compared with
  noise_floor,  ///< the reference again with arithmetic noise: what no difference can be told from
};

/// "model", "reference", "noise_floor".
const char* name_of(ModelRole role);

/// One line of a run: what the model is, what it costs, what it predicts.
struct ModelResult {
  std::string label, model_dir;
  std::string group;  ///< the project file's; empty = the label's first word
  ModelRole role = ModelRole::model;
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
  bool has_comparison() const { return measured && measured->comparison; }
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
  std::string text_sha256;    ///< empty when token ids were given
  std::string subtitle = {};  ///< for charts: data set, rows and tokens as the data spec wants them shown
  std::string clusters;       ///< what the standard errors take as independent: "rows", "blocks"
  std::vector<std::string> notes;
};

struct Result {
  std::string version = kVersion;  ///< of the program that measured
  std::string device;
  int threads = 0;
  bool complete = false;  ///< no model is missing
  DataRecord data;
  std::vector<ModelResult> models;
};

/// Clusters behind the standard errors of a run; 0 = not known.
int64_t cluster_count(const Result& result);
/// So few that the errors themselves are rough.
bool few_clusters(const Result& result);

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
