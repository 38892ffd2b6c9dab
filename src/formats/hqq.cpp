#include "formats/hqq.h"

#include <algorithm>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "formats/shared/bits.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {{"W_q", Role::codes},
                                {"scale", Role::scales},
                                {"zero", Role::zero_points},
                                {"shape", Role::shape},
                                {"bias", Role::bias}};

struct Packing {
  double nbits;
  std::string_view name;
  int bits, chunks, word_bytes;
};
constexpr Packing kPackings[] = {
    {8, "8bit_u8", 8, 1, 1},  {6, "8bit_u8", 8, 1, 1},    {5, "8bit_u8", 8, 1, 1}, {4, "4bit_u8", 4, 2, 1},
    {3, "3bit_32", 3, 10, 4}, {1.58, "2bit_u8", 2, 4, 1}, {2, "2bit_u8", 2, 4, 1}, {1, "1bit_u8", 1, 8, 1},
};
constexpr int64_t kLongestText = 64;
constexpr int64_t kStripe = 1 << 14;  // groups whose parameters are in memory at a time

/// A number that stands in a tensor of its own.
double read_number(const Module& module, const char* suffix) {
  const StoredTensor& tensor = module.at(suffix);
  if (tensor.elements() == 1) {
    switch (tensor.dtype) {
      case DType::I32:
        return read_elements<int32_t>(module.checkpoint(), tensor)[0];
      case DType::I64:
        return static_cast<double>(read_elements<int64_t>(module.checkpoint(), tensor)[0]);
      case DType::F32:
        return read_elements<float>(module.checkpoint(), tensor)[0];
      default:
        break;
    }
  }
  module.refuse(fmt::format("{}: expected one number, I32 or F32, found {}", tensor.name, tensor.describe()));
}

std::string read_text(const Module& module, const char* suffix) {
  const StoredTensor& tensor = module.expect(suffix, {DType::U8}, {-1});
  if (tensor.elements() > kLongestText) {
    module.refuse(fmt::format("{}: expected a short text, found {}", tensor.name, tensor.describe()));
  }
  const auto bytes = read_elements<uint8_t>(module.checkpoint(), tensor);
  if (std::any_of(bytes.begin(), bytes.end(), [](uint8_t c) { return c < 0x20 || c > 0x7e; })) {
    module.refuse(fmt::format("{}: expected text, found other bytes", tensor.name));
  }
  return {bytes.begin(), bytes.end()};
}

const Packing& packing_of(const Module& module, double nbits) {
  const auto* found = std::find_if(std::begin(kPackings), std::end(kPackings), [&](const Packing& packing) {
    return static_cast<float>(packing.nbits) == static_cast<float>(nbits);
  });
  if (found == std::end(kPackings)) {
    module.refuse(fmt::format("nbits is {}; expected 8, 6, 5, 4, 3, 2, 1.58 or 1", nbits));
  }
  if (module.has("packing")) {
    const std::string name = read_text(module, "packing");
    if (name != found->name) {
      module.refuse(fmt::format("packing is {}; expected {} for {} bits", printable(name), found->name, nbits));
    }
  }
  return *found;
}

}  // namespace

Hqq::Hqq(const Module& module) : StoredWeight(module) {
  read_shape();
  const double axis = read_number(module, "axis"), nbits = read_number(module, "nbits");
  if (axis != 0 && axis != 1) module.refuse(fmt::format("axis is {}; expected 0 or 1", axis));
  axis_ = static_cast<int64_t>(axis);
  const int64_t size = rows_ * cols_;
  group_size_ = axis_ == 1 ? cols_ : rows_;
  if (module.has("group_size")) {
    const double group_size = read_number(module, "group_size");
    if (!(group_size >= 1 && group_size <= static_cast<double>(size))) {
      module.refuse(fmt::format("group_size is {}; expected a number from 1 to {}", group_size, size));
    }
    group_size_ = static_cast<int64_t>(group_size);
  }
  if (size % group_size_ != 0) module.refuse(fmt::format("groups of {} do not divide {} codes", group_size_, size));
  groups_ = size / group_size_;
  set_codes(nbits, axis_ == 1 ? groups_ : group_size_, axis_ == 1 ? group_size_ : groups_);
  format_ = fmt::format("{}/{}-bit", kInfo.family, static_cast<float>(nbits));
  scale_ = &qparam("scale");
  zero_ = &qparam("zero");
  parts_ = parts_of(module, kRoles);
}

void Hqq::read_shape() {
  const auto shape = read_elements<int64_t>(module_.checkpoint(), module_.expect("shape", {DType::I64}, {2}));
  // As many codes as one bit each could be.
  const auto capacity = static_cast<int64_t>(module_.at("W_q").bytes) * 8;
  if (shape[0] < 1 || shape[1] < 1 || shape[0] > capacity / shape[1]) {
    module_.refuse(
        fmt::format("shape says [{}, {}], which {} cannot hold", shape[0], shape[1], module_.at("W_q").describe()));
  }
  rows_ = shape[0];
  cols_ = shape[1];
}

void Hqq::set_codes(double nbits, int64_t group_rows, int64_t group_cols) {
  const Packing& packing = packing_of(module_, nbits);
  const StoredTensor& stored = module_.at("W_q");
  codes_ = {.words = &stored,
            .length = ceil_div(group_rows, packing.chunks) * group_cols,
            .word_bytes = packing.word_bytes,
            .bits = packing.bits,
            .chunks = packing.chunks,
            .first = ChunkedCodes::First::highest};
  if (static_cast<int64_t>(stored.bytes) != codes_.length * packing.word_bytes) {
    module_.refuse(fmt::format("{}: expected {} words of {} bytes ({} x {} codes of {} bits, {} a word), found {}",
                               stored.name, codes_.length, packing.word_bytes, group_rows, group_cols, nbits,
                               packing.chunks, stored.describe()));
  }
}

const StoredTensor& Hqq::qparam(const char* suffix) const {
  const StoredTensor& tensor = module_.at(suffix);
  if (!is_float(tensor.dtype) || tensor.elements() != groups_) {
    module_.refuse(fmt::format("{}: expected floats, one for each of {} groups, found {}", tensor.name, groups_,
                               tensor.describe()));
  }
  return tensor;
}

std::vector<float> Hqq::read_qparams(const StoredTensor& tensor, int64_t first, int64_t count) const {
  std::vector<float> values = read_values(module_.checkpoint(), tensor, tensor.dtype, first, count);
  require_finite(module_, tensor, values, first);
  return values;
}

void Hqq::apply_runs(int64_t first, int64_t count, float* w) const {
  const int64_t first_group = first / group_size_, groups = (first + count - 1) / group_size_ + 1 - first_group;
  const std::vector<float> scales = read_qparams(*scale_, first_group, groups);
  const std::vector<float> zeros = read_qparams(*zero_, first_group, groups);
  for (int64_t n = first; n < first + count;) {
    const int64_t group = n / group_size_, end = std::min((group + 1) * group_size_, first + count);
    scale_codes(w + (n - first), end - n, scales[group - first_group], zeros[group - first_group]);
    n = end;
  }
}

void Hqq::apply_stripes(int64_t first, int64_t count, float* w) const {
  const int64_t end = first + count, cycle = first / groups_ * groups_;
  for (int64_t group = 0; group < groups_; group += kStripe) {
    const int64_t run = std::min(kStripe, groups_ - group);
    std::vector<float> scales, zeros;  // of these groups, read if any of their codes is wanted
    for (int64_t n = cycle + group; n < end; n += groups_) {
      const int64_t from = std::max(n, first), to = std::min(n + run, end);
      if (from >= to) continue;
      if (scales.empty()) {
        scales = read_qparams(*scale_, group, run);
        zeros = read_qparams(*zero_, group, run);
      }
      float* out = w + (from - first);
      for (int64_t i = from - n; i < to - n; ++i, ++out) *out = (*out - zeros[i]) * scales[i];
    }
  }
}

void Hqq::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  const int64_t first = begin * cols_, count = (end - begin) * cols_;
  codes_.read(module_.checkpoint(), first, first + count, out);
  if (axis_ == 1) {
    apply_runs(first, count, out);
  } else {
    apply_stripes(first, count, out);
  }
}

}  // namespace assay
