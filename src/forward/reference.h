#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "device/device.h"
#include "formats/format.h"
#include "forward/logit_files.h"

namespace assay {

/// What a finished run leaves behind, so that its logits can be made again at any time: the hidden states that the head
/// sees at each scored position, and the head. Positions are those of EvalResult. A folder in the form of a checkpoint:
///
///   hidden       F32 [positions, width]      after the final norm, and quantized where the head's inputs are
///   head.weight  BF16 | F16 | F32 [vocab, width]
///   head.bias    F32 [vocab], if there is one
///   top_ids      I32 [positions, 10], top_logits F32 [positions, 10], best first
///   log_sum      F64 [positions]             ln sum e^logit over the whole vocabulary
///   target       F32 [positions]             logit of the id that comes next, 0 at positions without one
///   config.json  {"model_type": "assay_reference", "version": 1, "precision": "f32" | "bf16",
///                "logit_multiplier": m, "logit_softcap": c}, as LogitShape has them
class Reference {
 public:
  /// Error when it cannot be what write() left. Damaged bytes are for the caller to notice: content_hash().
  static Reference open(const std::filesystem::path& folder);

  /// Logits that compare_q has stored, `positions` for each of `rows` rows; ids[row * length + first + p + 1] comes
  /// after position p. Reads all of them once.
  struct Targets {
    std::span<const int32_t> ids;
    int64_t rows = 0, length = 0, first = 0, positions = 0;
  };
  static Reference of_logits(const std::filesystem::path& path, const Targets& targets);

  /// Of stored logits: what was computed from all of them.
  std::string summary_hash() const;
  /// Of a folder that write() has made.
  std::string content_hash() const { return checkpoint_->content_hash(); }
  uint64_t bytes() const { return checkpoint_->file_bytes(); }

  int64_t positions() const { return positions_; }
  int64_t vocab() const { return head_ ? head_->rows() : logits_->vocab(); }

  /// Null: the logits themselves are stored, and there are no hidden states.
  const StoredWeight* head() const { return head_.get(); }
  int64_t width() const { return head_->cols(); }
  const std::vector<float>& bias() const { return bias_; }  ///< of the head, or empty
  double logit_multiplier() const { return logit_multiplier_; }
  double logit_softcap() const { return logit_softcap_; }
  Precision precision() const { return precision_; }  ///< of the run, and of the head's product
  /// Rows [first, first + count) of the hidden states.
  void read(int64_t first, int64_t count, std::span<float> out) const;
  /// Stored logits [count, ids] of positions from `first` on and ids from `first_id` on.
  void read_logits(int64_t first, int64_t count, int64_t first_id, int64_t ids, std::span<float> out) const;

  const std::vector<TopLogits>& top() const { return top_; }
  double log_sum(int64_t position) const { return log_sum_[position]; }
  /// Probability of the largest logit.
  double confidence(int64_t position) const;
  /// Probability of the id that comes next.
  double target_probability(int64_t position) const;

  /// What write() needs, and how hidden states are read.
  struct Content {
    Precision precision = Precision::f32;
    int64_t positions = 0;
    std::function<void(int64_t first, int64_t count, float* out)> hidden;
    const StoredWeight* head;
    int64_t first_row = 0, vocab = 0;  ///< the head's rows in its module
    std::vector<float> bias;           ///< of the module's rows, or empty
    double logit_multiplier = 1, logit_softcap = 0;
    std::vector<TopLogits> top;
    std::vector<double> log_sum;
    std::vector<float> target;
  };
  /// Nothing is left under `folder` after an Error, and never a part. `progress` gets the fraction written; may throw.
  static void write(const std::filesystem::path& folder, const Content& content,
                    const std::function<void(double)>& progress);

 private:
  Reference() = default;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<QuantConfig> config_;
  std::unique_ptr<StoredWeight> head_;
  std::unique_ptr<LogitFiles> logits_;
  int64_t row_positions_ = 0;  ///< of each row in logits_
  const StoredTensor* hidden_ = nullptr;
  std::vector<float> bias_;
  double logit_multiplier_ = 1, logit_softcap_ = 0;
  Precision precision_ = Precision::f32;
  int64_t positions_ = 0;
  std::vector<TopLogits> top_;
  std::vector<double> log_sum_;
  std::vector<float> target_;
};

}  // namespace assay
