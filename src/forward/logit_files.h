#pragma once
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <span>

#include "checkpoint/checkpoint.h"

namespace assay {

/// Logits as compare_q stores them, [rows, positions, vocab] floats in safetensors: a folder with one file a row
/// (row_000000.safetensors, "tensor" [1, positions, vocab]), or one file with "tensor.0", "tensor.1", ... or a stacked
/// "tensor".
class LogitFiles {
 public:
  /// Error when a row is missing or has other sizes.
  LogitFiles(std::filesystem::path path, int64_t rows, int64_t positions);

  int64_t vocab() const { return vocab_; }
  /// Logits of the ids [first_id, first_id + out.size()) at one position of a row.
  void read(int64_t row, int64_t position, int64_t first_id, std::span<float> out);

 private:
  /// The logits of one row: a tensor, and where in it they begin.
  struct Place {
    const Checkpoint* file;
    const StoredTensor* tensor;
    int64_t first = 0;
  };
  Place place_of(int64_t row);
  const Checkpoint& open_row(int64_t row);

  std::filesystem::path path_;
  int64_t rows_, positions_, vocab_ = 0;
  std::unique_ptr<Checkpoint> all_;                   // one file with every row
  std::list<std::pair<int64_t, Checkpoint>> latest_;  // or those of a few rows, the last used first
};

}  // namespace assay
