#include "formats/shared/column_packed.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/columns.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"

namespace assay {

namespace {

constexpr int kMostBits = 8;

constexpr NamedRole kRoles[] = {{"qweight", Role::codes},
                                {"qzeros", Role::zero_points},
                                {"scales", Role::scales},
                                {"g_idx", Role::indices},
                                {"bias", Role::bias}};

using Unpack = void (*)(const uint32_t* words, int64_t length, int64_t count, float* out);

constexpr Unpack kUnpackStream[] = {nullptr,          nullptr,          unpack_stream<2>,
                                    unpack_stream<3>, unpack_stream<4>, unpack_stream<5>,
                                    unpack_stream<6>, unpack_stream<7>, unpack_stream<8>};

/// Adds the fields of one plane to 32 codes, where the codes of kBits bits have it; returns the words behind it.
template <int kBits, int kPlane>
const uint32_t* add_plane(const uint32_t* words, uint32_t* codes, int& shift) {
  if constexpr ((kBits & kPlane) != 0) {
    constexpr int kPerWord = 32 / kPlane;
    for (int w = 0; w < kPlane; ++w) {
      for (int i = 0; i < kPerWord; ++i) {
        codes[w * kPerWord + i] |= (words[w] >> i * kPlane & ((1u << kPlane) - 1)) << shift;
      }
    }
    words += kPlane;
    shift += kPlane;
  }
  return words;
}

template <int kBits>
void unpack_planar(const uint32_t* words, int64_t, int64_t count, float* out) {
  for (int64_t first = 0; first < count; first += 32) {
    uint32_t codes[32] = {};
    int shift = 0;
    words = add_plane<kBits, 8>(words, codes, shift);
    words = add_plane<kBits, 4>(words, codes, shift);
    words = add_plane<kBits, 2>(words, codes, shift);
    words = add_plane<kBits, 1>(words, codes, shift);
    const int64_t some = std::min<int64_t>(32, count - first);
    for (int64_t i = 0; i < some; ++i) out[first + i] = signed_field(codes[i], kBits);
  }
}

constexpr Unpack kUnpackPlanar[] = {nullptr,          nullptr,          unpack_planar<2>,
                                    unpack_planar<3>, unpack_planar<4>, unpack_planar<5>,
                                    unpack_planar<6>, unpack_planar<7>, unpack_planar<8>};

/// Adds 1 to every field of every word. The writer subtracted it from whole words, so that a field of 0 borrowed from
/// its neighbour: adding to whole words gives that back.
template <class Word>
void add_one_to_words(std::vector<uint32_t>& words, int bits) {
  const Word ones = static_cast<Word>(static_cast<Word>(~Word{0}) / ((1u << bits) - 1));
  auto* bytes = reinterpret_cast<std::byte*>(words.data());
  for (size_t at = 0; at + sizeof(Word) <= words.size() * 4; at += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes + at, sizeof word);
    word = static_cast<Word>(word + ones);
    std::memcpy(bytes + at, &word, sizeof word);
  }
}

void add_one_to_words(std::vector<uint32_t>& words, int bits, int64_t word_bits) {
  switch (word_bits) {
    case 8:
      return add_one_to_words<uint8_t>(words, bits);
    case 16:
      return add_one_to_words<uint16_t>(words, bits);
    case 32:
      return add_one_to_words<uint32_t>(words, bits);
    default:
      return add_one_to_words<uint64_t>(words, bits);
  }
}

bool divides_words(int64_t bits) {
  return bits == 2 || bits == 4 || bits == 8;
}

std::string describe(const ColumnPacked::Scheme& scheme) {
  std::string text = fmt::format("{} bits", scheme.bits);
  if (!scheme.group_size) return text;
  return text + (*scheme.group_size == -1 ? ", whole rows" : fmt::format(", groups of {}", *scheme.group_size));
}

}  // namespace

ColumnPacked::ColumnPacked(const Module& module, Layout layout) : StoredWeight(module), layout_(std::move(layout)) {
  codes_ = &module.expect("qweight", {DType::I32, DType::I16, DType::I8, DType::I64}, {-1, -1});
  word_bits_ = bits_of(codes_->dtype);
  const int64_t outputs = codes_->shape[1];
  scales_ = &module.expect("scales", {DType::F16, DType::BF16, DType::F32}, {-1, outputs});
  groups_ = scales_->shape[0];
  zeros_ = &module.expect("qzeros", {codes_->dtype}, {groups_, -1});
  if (module.has("g_idx")) group_index_ = &module.expect("g_idx", {DType::I32}, {-1});
  for (const StoredTensor* tensor : {codes_, scales_}) {
    if (tensor->elements() < 1) module.refuse(fmt::format("{}: empty: {}", tensor->name, tensor->describe()));
  }

  const auto scheme = std::find_if(layout_.schemes.begin(), layout_.schemes.end(),
                                   [&](const Scheme& candidate) { return fits(candidate, outputs); });
  if (scheme == layout_.schemes.end()) refuse_schemes();
  if (scheme->shuffled && groups_ > 1 && !group_index_) {
    module.refuse(fmt::format("{}.g_idx is missing: {} says desc_act, so that only g_idx tells the groups of columns",
                              module.name(), layout_.where));
  }
  bits_ = static_cast<int>(scheme->bits);
  rows_ = outputs;
  // Without g_idx the words are the only trace of the number of columns.
  cols_ = group_index_    ? group_index_->shape[0]
          : planar(bits_) ? codes_->shape[0] / bits_ * 32
                          : codes_->shape[0] * word_bits_ / bits_;
  const int64_t even = cols_ % groups_ == 0 ? cols_ / groups_ : 0;
  group_size_ = std::min(scheme->group_size.value_or(even), cols_);
  if (group_size_ < 0) group_size_ = cols_;
  const bool natural = group_size_ > 0 && ceil_div(cols_, group_size_) == groups_;
  if (!natural && !group_index_) {
    module.refuse(fmt::format("{}: {} of {} columns do not make {} groups ({}), and no g_idx is stored", layout_.where,
                              describe(*scheme), cols_, groups_, scales_->describe()));
  }
  if (!natural) group_size_ = 0;
  parts_ = parts_of(module, kRoles);
}

int64_t ColumnPacked::words_for(int64_t codes, int64_t bits) const {
  return planar(bits) ? ceil_div(codes, 32) * bits : ceil_div(codes * bits, word_bits_);
}

bool ColumnPacked::fits(const Scheme& scheme, int64_t outputs) const {
  if (scheme.bits < 2 || scheme.bits > kMostBits) return false;
  // No tool packs codes that straddle words, or planes, into anything but 32-bit words.
  if (word_bits_ != 32 && (planar(scheme.bits) || !divides_words(scheme.bits))) return false;
  const int64_t height = codes_->shape[0];
  const bool columns_fit = group_index_          ? words_for(group_index_->shape[0], scheme.bits) == height
                           : planar(scheme.bits) ? height % scheme.bits == 0
                                                 : height * word_bits_ >= scheme.bits;
  return columns_fit && zeros_->shape[1] == words_for(outputs, scheme.bits);
}

void ColumnPacked::refuse_schemes() const {
  std::string said;
  for (const Scheme& scheme : layout_.schemes) said += (said.empty() ? "" : " or ") + describe(scheme);
  const int64_t fields = codes_->shape[0] * word_bits_;
  std::string found =
      fmt::format("{} {} and {} {}", codes_->name, codes_->describe(), zeros_->name, zeros_->describe());
  if (group_index_ && group_index_->shape[0] > 0) {
    found += fmt::format(", about {:.3g} bits a column by {} {}",
                         static_cast<double>(fields) / static_cast<double>(group_index_->shape[0]), group_index_->name,
                         group_index_->describe());
  }
  module_.refuse(
      fmt::format("{} says {}; expected 2 to {} bits that fit qweight [ceil(in * bits / {}), out] and qzeros "
                  "[groups, ceil(out * bits / {})]{}, found {}",
                  layout_.where, said, kMostBits, word_bits_, word_bits_,
                  word_bits_ == 32 ? "" : ", and other than 2, 4, 8 bits only in 32-bit words", found));
}

void ColumnPacked::read_zero_points(int64_t begin, int64_t end, ScaleGrid::Rows& scales) const {
  // 32 codes are whole words in either packing.
  const int64_t base = begin / 32 * 32, count = end - base, bytes = word_bits_ / 8;
  const int64_t first = words_for(base, bits_), length = words_for(end, bits_) - first;
  std::vector<uint32_t> words(ceil_div(length * bytes, 4));
  std::vector<float> zeros(count);
  const auto unpack = (planar(bits_) ? kUnpackPlanar : kUnpackStream)[bits_];
  const bool by_field = zeros_minus_one() && !divides_words(bits_);
  const float top = signed_field((1u << bits_) - 1, bits_), bottom = signed_field(0, bits_);
  scales.zeros.resize(scales.scales.size());
  for (int64_t group = 0; group < groups_; ++group) {
    module_.checkpoint().read(*zeros_, (group * zeros_->shape[1] + first) * bytes,
                              std::as_writable_bytes(std::span(words)).first(length * bytes));
    if (zeros_minus_one() && !by_field) add_one_to_words(words, bits_, word_bits_);
    unpack(words.data(), static_cast<int64_t>(words.size()), count, zeros.data());
    for (int64_t row = begin; row < end; ++row) {
      const float zero = zeros[row - base];
      scales.zeros[(row - begin) * groups_ + group] = !by_field ? zero : zero == top ? bottom : zero + 1;
    }
  }
}

/// Empty when the columns keep their natural groups. Some old writers left zeros in place of natural groups, and every
/// kernel takes them so.
std::vector<int32_t> ColumnPacked::read_column_groups() const {
  if (!group_index_) return {};
  auto groups = read_elements<int32_t>(module_.checkpoint(), *group_index_);
  bool natural = group_size_ > 0, zero = group_size_ > 0;
  for (int64_t i = 0; i < cols_; ++i) {
    if (groups[i] < 0 || groups[i] >= groups_) {
      fail("{}: {}[{}] is {}; expected a group from 0 to {}", name(), group_index_->name, i, groups[i], groups_ - 1);
    }
    natural = natural && groups[i] == i / group_size_;
    zero = zero && groups[i] == 0;
  }
  if (natural || zero) groups.clear();
  return groups;
}

void ColumnPacked::decode(int64_t begin, int64_t end, float* out) const {
  if (begin == end) return;
  std::vector<int32_t> column_groups = read_column_groups();
  ScaleGrid::Rows scales =
      read_column_scales(module_, *scales_, begin, end, cols_, std::max<int64_t>(group_size_, 1), groups_);
  scales.column_groups = std::move(column_groups);
  read_zero_points(begin, end, scales);
  const auto unpack = (planar(bits_) ? kUnpackPlanar : kUnpackStream)[bits_];
  const ColumnWords codes = read_columns(module_.checkpoint(), *codes_, begin, end);
  for (int64_t row = begin; row < end; ++row) {
    float* w = out + (row - begin) * cols_;
    unpack(codes.row(row - begin), codes.length, cols_, w);
    scales.apply(row, w);
  }
}

}  // namespace assay
