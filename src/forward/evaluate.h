#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/device.h"
#include "forward/reference.h"
#include "model/spec.h"
#include "stats/token_measures.h"

namespace assay {

/// A model ready to be run: its files, what its config says about quantization, and its maths.
struct OpenModel {
  const Checkpoint* checkpoint;
  const QuantConfig* quant;
  const ModelSpec* spec;
};

struct EvalInput {
  std::span<const int32_t> ids;  ///< [rows, length], row-major
  int64_t rows = 0, length = 0;
  int64_t first = 0;  ///< first position whose logits are scored
  int64_t count = 0;  ///< scored positions a row: position p predicts ids[p + 1], first + count < length

  /// Positions a row whose logits are made: one more, which compare_q counts in the divergence though nothing is
  /// predicted there.
  int64_t positions() const { return count + 1; }
};

struct EvalOptions {
  Precision precision = Precision::f32;
  bool as_deployed = true;  ///< emulate the activation (and KV cache) quantization that the checkpoint declares
  bool kv_cache = true;     ///< of that, the KV cache
  uint64_t memory_bytes = uint64_t{8} << 30;  ///< target for the peak: hidden states spill to a file beyond it
  int64_t vocabulary = 0;                     ///< only the logits of the first ids count; 0 = all
  double noise = 0;  ///< each layer's output is multiplied by 1 + noise * N(0, 1), elementwise, from a fixed seed
  bool jensen_shannon = false;           ///< measured too, for a second pass over the head
  const Reference* reference = nullptr;  ///< what to measure divergence against: a run on the same tokens
  /// Gets the finished run, so that it can become a reference; empty = not wanted.
  std::function<void(const Reference::Content&)> keep = {};
  /// Called from the main thread as work gets done, fraction in [0, 1]. May throw (Interrupted) to stop.
  std::function<void(double fraction)> progress;
};

struct EvalResult {
  std::vector<double> nll;                ///< [rows, count], nats
  std::vector<double> log_sum;            ///< [rows, positions()], ln sum e^logit
  std::vector<TopLogits> top;             ///< [rows, positions()], with a reference or when kept
  TokenMeasures measures;                 ///< [rows, positions()], with a reference
  std::map<std::string, double> seconds;  ///< wall time of each stage: linear, attention, head, ...
  std::vector<std::string> notes;
};

/// Error for ids outside the vocabulary.
void check_input(const EvalInput& input, const ModelSpec& spec);

/// A model on its way through the data. What it is made of must outlive it. Error for ids outside the vocabulary, and
/// for NaN or Inf with the layer where they first appear.
class Evaluation {
 public:
  class Pass;

  Evaluation(Device& device, const OpenModel& model, const EvalInput& input, const EvalOptions& options);
  ~Evaluation();
  Evaluation(Evaluation&&) noexcept;

  /// Every row through all layers, streamed block by block. What remains is to finish().
  void run_blocks();
  /// Memory that it holds until then.
  uint64_t bytes() const;
  /// To options.progress: so much of the head's pass is done.
  void report_head(double fraction) const;

 private:
  friend std::vector<EvalResult> finish(std::span<Evaluation* const>, const std::function<void(double)>&);
  std::unique_ptr<Pass> pass_;
};

/// The heads of models on the same input and with the same reference in one pass over the vocabulary, in which the
/// reference's logits are made once. Each result is that of evaluate(). May be called again after an Error.
std::vector<EvalResult> finish(std::span<Evaluation* const> evaluations,
                               const std::function<void(double fraction)>& progress);

/// One model from the tokens to the result.
EvalResult evaluate(Device& device, const OpenModel& model, const EvalInput& input, const EvalOptions& options);

/// What tests need: the logits [length, vocab] of one row, and the hidden states [layers + 1][length, hidden] (input of
/// each layer, then the output of the last) plus the final norm's output.
struct Trace {
  std::vector<float> logits;
  std::vector<std::vector<float>> hidden;
  std::vector<float> final_norm;
};
Trace trace(Device& device, const OpenModel& model, std::span<const int32_t> ids, const EvalOptions& options);

}  // namespace assay
