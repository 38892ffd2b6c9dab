#pragma once
#include "formats/format.h"
#include "formats/shared/chunked_codes.h"

namespace assay {

// HQQ: half-quadratic quantization. Everything is told by the tensors; hqq's own writer leaves no config at all.
//
//   W_q         U8, I32 (3 bits), or a float type (`view_as_float`: the same bytes)
//   scale, zero float   [N / g, 1] for axis 1, [1, N / g] for axis 0; N = out * in
//   shape       I64 [2]   out, in
//   nbits       I32       8, 6, 5, 4, 3, 2, 1; F32 for 1.58
//   group_size  I32       g; absent: whole rows (axis 1) or columns (axis 0)
//   axis        I32
//   packing     U8        text: 8bit_u8, 4bit_u8, 3bit_32, 2bit_u8, 1bit_u8
//   and bookkeeping
//
// The weight, row by row, is one sequence, seen as a matrix of codes Q [N / g, g] (axis 1) or [g, N / g] (axis 0).
// The rows of Q are cut into chunks that share words, the first in the highest bits:
//
//   bits     8, 6, 5   4   3             2, 1.58   1
//   chunks      1      2   10            4         8
//   word      byte   byte  low 30 of 32  byte      byte     3 bits: rows are padded to a multiple of 10
//
//   W = (q - zero) * scale     zero is a float, rarely a whole number
class Hqq : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"N-bit", "hqq", "1-8",
                                    "W_q U8 | I32, scale and zero float [N/g, 1] | [1, N/g], shape"};

  static bool matches(const Module& module) { return module.has("W_q"); }

  explicit Hqq(const Module& module);
  std::string format() const override { return format_; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  void read_shape();
  void set_codes(double nbits, int64_t group_rows, int64_t group_cols);
  const StoredTensor& qparam(const char* suffix) const;
  /// Codes [first, first + count) of the sequence to weights, where a run of group_size_ shares its parameters ..
  void apply_runs(int64_t first, int64_t count, float* w) const;
  /// .. and where code n has those of group n % groups_.
  void apply_stripes(int64_t first, int64_t count, float* w) const;
  std::vector<float> read_qparams(const StoredTensor& tensor, int64_t first, int64_t count) const;

  std::string format_;
  ChunkedCodes codes_;
  const StoredTensor* scale_;
  const StoredTensor* zero_;
  int64_t axis_ = 1, group_size_ = 0, groups_ = 0;
};

}  // namespace assay
