#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "device/device.h"

namespace assay {

/// Rows of x that one matrix product handles. The same for every call, with the last tile padded: a row's result then
/// cannot depend on how many other rows are there.
constexpr int64_t kTokenTile = 128;

/// Uninitialised, 64-byte aligned, grows only: scratch that a thread keeps for its next call.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t bytes) { reserve(bytes); }
  void* reserve(size_t bytes);
  void* data() const { return data_.get(); }
  size_t size() const { return size_; }
  template <class T>
  T* as(int64_t count) {
    return static_cast<T*>(reserve(static_cast<size_t>(count) * sizeof(T)));
  }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> data_;
  size_t size_ = 0;
};

using bf16 = uint16_t;

/// One oneDNN matrix product C[m, n] = A[m, k] B on the calling thread, for fixed sizes. A and C are row-major and
/// dense.
class Gemm {
 public:
  enum class Layout : uint8_t {
    packed,      ///< B was written by pack()
    transposed,  ///< B is given as [n, k] row-major
    plain,       ///< B is given as [k, n] row-major
  };
  /// `element`: of A and B; C is float. Made once per size and kept; thread-safe.
  static const Gemm& get(Precision element, Layout layout, int64_t m, int64_t n, int64_t k);

  void run(const void* a, const void* b, float* c) const;

  size_t packed_bytes() const;
  /// Brings values [n, k] row-major into the layout that run() wants.
  void pack(const float* values, void* packed) const;

  ~Gemm();

 private:
  Gemm(Precision element, Layout layout, int64_t m, int64_t n, int64_t k);
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// The element type in which products of this precision are multiplied. Where the processor does not multiply bf16
/// itself, bf16 operands are rounded and multiplied as float32: the same numbers up to summation order, and slower.
Precision element_of(Precision precision);

}  // namespace assay
