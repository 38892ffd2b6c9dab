#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "device/device.h"
#include "model/spec.h"

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
};

struct EvalOptions {
  Precision precision = Precision::f32;
  bool as_deployed = true;  ///< emulate the activation (and KV cache) quantization that the checkpoint declares
  bool kv_cache = true;     ///< of that, the KV cache
  uint64_t memory_bytes = uint64_t{8} << 30;  ///< target for the peak: hidden states spill to a file beyond it
  /// Called from the main thread as work gets done, fraction in [0, 1]. May throw (Interrupted) to stop.
  std::function<void(double fraction)> progress;
};

struct EvalResult {
  std::vector<double> nll;                ///< [rows, count], nats
  std::vector<int32_t> top;               ///< [rows, count], id of the largest logit
  std::map<std::string, double> seconds;  ///< wall time of each stage: linear, attention, head, ...
  std::vector<std::string> notes;
};

/// Runs every row through the model, streamed block by block. Error for ids outside the vocabulary, and for NaN or Inf
/// with the layer where they first appear.
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
