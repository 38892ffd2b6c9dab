#pragma once
#include <cstdint>
#include <string>

namespace assay {

/// y = x W^T + b. W is some rows of a stored module, for fused projections and stacked experts have several parts:
/// runs of `run` rows, one every `stride` rows, from first_row on. A stack may be stored transposed, as
/// [stacks, in, stack_rows].
struct LinearSpec {
  std::string module;  ///< stored name without ".weight"
  int64_t out = 0, in = 0;
  int64_t first_row = 0;
  int64_t run = 0, stride = 0;  ///< 0: all rows are one run
  int64_t stored_rows = 0;      ///< rows of the whole stored module
  int64_t stack_rows = 0;       ///< 0: not transposed
  std::string bias;             ///< stored tensor [stored_rows], or empty
  double multiplier = 1;        ///< of the result, bias included
  std::string dense_name;       ///< Hugging Face name of this part's weight in the plain model

  /// False for one that is not there.
  explicit operator bool() const { return !module.empty(); }
  /// Row `r` of this linear as a row of the stored module.
  int64_t stored_row(int64_t r) const { return run == 0 ? first_row + r : first_row + r / run * stride + r % run; }
};

struct NormSpec {
  enum class Kind : uint8_t { none, rms, layer };
  Kind kind = Kind::none;
  int64_t width = 0;  ///< components that are normed together; a row may hold several times as many
  double eps = 0;
  double weight_offset = 0;     ///< 1 where the stored weight is (w - 1)
  std::string weight, bias;     ///< stored tensor names, empty = none
  int64_t part = 0, parts = 1;  ///< the stored tensors hold the weights of `parts` such norms

  explicit operator bool() const { return kind != Kind::none; }
  bool operator==(const NormSpec&) const = default;
};

}  // namespace assay
