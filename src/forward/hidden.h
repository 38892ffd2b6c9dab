#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "device/device.h"

namespace assay {

/// The hidden states of all tokens, [tokens, width]: in memory, or in an unnamed temporary file where they would not
/// fit.
class HiddenStates {
 public:
  HiddenStates(Device& device, int64_t tokens, int64_t width, bool spill);
  ~HiddenStates();
  HiddenStates(HiddenStates&&) noexcept;

  int64_t tokens() const { return tokens_; }
  int64_t width() const { return width_; }

  /// Rows [first, first + count) for reading and writing, valid until the next call; put() keeps what was written.
  Matrix get(int64_t first, int64_t count);
  void put(int64_t first, Matrix rows);

  /// Single rows in any order, through the same file or memory.
  void gather(std::span<const int32_t> rows, Matrix out);
  /// row[rows[i]] += scale[i] * x[i]; the rows are distinct.
  void scatter_add(Matrix x, std::span<const int32_t> rows, std::span<const float> scale);
  /// Host values into one row.
  void write_row(int64_t row, std::span<const float> values);

  void zero();

 private:
  struct File;
  Device* device_;
  int64_t tokens_, width_;
  Buffer memory_;               // all of it, or the window of get()
  std::unique_ptr<File> file_;  // null when in memory
};

}  // namespace assay
