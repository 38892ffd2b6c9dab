#include "formats/aqlm.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {
    {"codes", Role::codes},
    {"codebooks", Role::codebooks},
    {"scales", Role::scales},
    {"bias", Role::bias},
};
constexpr auto kFloats = {DType::F16, DType::BF16, DType::F32};
constexpr int64_t kMostRows = int64_t{1} << 40;

/// scale * (sum of the vectors that `indices` name, one from each book), `kLength` values long, or `length` when 0.
template <int kLength>
void add_up(const float* const* books, const int32_t* indices, int64_t count, int64_t length, int64_t offset,
            int64_t stride, float scale, float* out) {
  const int64_t n = kLength ? kLength : length;
  const float* first = books[0] + indices[0] * stride + offset;
  for (int64_t s = 0; s < n; ++s) out[s] = first[s];
  for (int64_t k = 1; k < count; ++k) {
    const float* next = books[k] + indices[k] * stride + offset;
    for (int64_t s = 0; s < n; ++s) out[s] += next[s];
  }
  for (int64_t s = 0; s < n; ++s) out[s] *= scale;
}

}  // namespace

Aqlm::Aqlm(const Module& module) : StoredWeight(module) {
  codebooks_ = &module.expect("codebooks", kFloats, {-1, -1, -1, -1});
  books_ = codebooks_->shape[0];
  row_group_ = codebooks_->shape[2];
  col_group_ = codebooks_->shape[3];
  const auto vectors = static_cast<uint64_t>(codebooks_->shape[1]);
  if (codebooks_->elements() < 1 || vectors < 2 || !std::has_single_bit(vectors)) {
    module.refuse(
        fmt::format("{}: expected 2^b vectors in each codebook, found {}", codebooks_->name, codebooks_->describe()));
  }
  bits_ = std::countr_zero(vectors);
  codes_ = &module.expect("codes", {DType::I8, DType::I16, DType::I32, DType::I64}, {-1, -1, books_});
  if (bits_of(codes_->dtype) < bits_) {
    module.refuse(fmt::format("{}: codes of {} bits do not fit into {}", codes_->name, bits_, codes_->describe()));
  }
  const int64_t row_groups = codes_->shape[0], col_groups = codes_->shape[1];
  if (row_groups < 1 || col_groups < 1 || row_groups > kMostRows / row_group_ || col_groups > kMostRows / col_group_) {
    module.refuse(fmt::format("{}: no weight has such a shape: {}", codes_->name, codes_->describe()));
  }
  rows_ = row_groups * row_group_;
  cols_ = col_groups * col_group_;
  scales_ = &module.expect("scales", kFloats, {row_groups, 1, 1, 1});
  require_config();
  parts_ = parts_of(module, kRoles);
}

void Aqlm::require_config() const {
  if (module_.config().method() != "aqlm") return;
  const JsonObject json(module_.config().json(), module_.config().where());
  const std::pair<const char*, int64_t> kFound[] = {{"num_codebooks", books_},
                                                    {"nbits_per_codebook", bits_},
                                                    {"out_group_size", row_group_},
                                                    {"in_group_size", col_group_}};
  for (const auto& [key, found] : kFound) {
    if (json.integer_or(key, found) == found) continue;
    module_.refuse(fmt::format("the config says {} {}, but {} {} means {}", key, json.integer(key), codebooks_->name,
                               codebooks_->describe(), found));
  }
}

std::string Aqlm::format() const {
  std::string name = fmt::format("aqlm/{}x{}-g{}", books_, bits_, col_group_);
  if (row_group_ > 1) name += fmt::format("x{}", row_group_);
  return name;
}

template <class Code>
void Aqlm::to_indices(const std::byte* codes, int64_t row, int32_t* indices) const {
  const int64_t count = codes_->shape[1] * books_;
  // Some writers store the code as it is, others minus 2^b from 2^(b-1) up.
  const int64_t least = -(int64_t{1} << (bits_ - 1)), most = (int64_t{1} << bits_) - 1;
  bool in_range = true;
  for (int64_t i = 0; i < count; ++i) {
    Code code;
    std::memcpy(&code, codes + i * sizeof code, sizeof code);
    in_range &= int64_t{code} >= least && int64_t{code} <= most;
    indices[i] = static_cast<int32_t>(int64_t{code} & most);
  }
  if (!in_range) {
    fail("{}: row {} of {} holds a code outside {} to {}, the range of {} bits; the checkpoint is damaged", name(), row,
         codes_->name, least, most, bits_);
  }
}

void Aqlm::to_indices(const std::byte* codes, int64_t row, int32_t* indices) const {
  switch (codes_->dtype) {
    case DType::I8:
      return to_indices<int8_t>(codes, row, indices);
    case DType::I16:
      return to_indices<int16_t>(codes, row, indices);
    case DType::I32:
      return to_indices<int32_t>(codes, row, indices);
    default:
      return to_indices<int64_t>(codes, row, indices);
  }
}

void Aqlm::decode(int64_t begin, int64_t end, float* out) const {
  const Checkpoint& checkpoint = module_.checkpoint();
  const std::vector<float> table = read_floats(checkpoint, *codebooks_);
  require_finite(module_, *codebooks_, table);
  const int64_t vector = row_group_ * col_group_, groups = codes_->shape[1];
  std::vector<const float*> books(books_);
  for (int64_t k = 0; k < books_; ++k) books[k] = table.data() + (k << bits_) * vector;

  const int64_t first = begin / row_group_, last = (end - 1) / row_group_ + 1;
  const auto scales = read_values(checkpoint, *scales_, scales_->dtype, first, last - first);
  require_finite(module_, *scales_, scales, first);
  const auto add = col_group_ == 8 ? add_up<8> : col_group_ == 16 ? add_up<16> : add_up<0>;
  std::vector<int32_t> indices(groups * books_);
  const int64_t row_bytes = groups * books_ * (bits_of(codes_->dtype) / 8);
  for_rows(checkpoint, *codes_, row_bytes, first, last, [&](int64_t group, const uint8_t* codes) {
    to_indices(reinterpret_cast<const std::byte*>(codes), group, indices.data());
    const int64_t from = std::max(begin, group * row_group_), to = std::min(end, (group + 1) * row_group_);
    for (int64_t row = from; row < to; ++row) {
      float* w = out + (row - begin) * cols_;
      const int64_t offset = (row - group * row_group_) * col_group_;
      for (int64_t i = 0; i < groups; ++i) {
        add(books.data(), indices.data() + i * books_, books_, col_group_, offset, vector, scales[group - first],
            w + i * col_group_);
      }
    }
  });
}

}  // namespace assay
