#include "checkpoint/dtype.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace assay {

namespace {

struct Row {
  std::string_view name;
  int bits;
};

/// In the order of the enumeration.
constexpr std::array<Row, 19> kRows{{
    {"F64", 64},    {"F32", 32},    {"F16", 16}, {"BF16", 16}, {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},   {"I64", 64},  {"I32", 32},    {"I16", 16},    {"I8", 8},
    {"U64", 64},    {"U32", 32},    {"U16", 16}, {"U8", 8},    {"BOOL", 8},
}};
static_assert(kRows.size() == static_cast<size_t>(DType::BOOL) + 1);

const Row& row(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  ASSAY_CHECK(index < kRows.size());
  return kRows[index];
}

/// `count` numbers of `width` bytes, from `offset` on.
struct Numbers {
  int64_t width = 0, offset = 0, count = 0;
};

struct BlockRow {
  uint32_t id;
  DType dtype;
  std::string_view name;
  Block block;
  std::array<Numbers, 2> numbers;
};

constexpr auto kBlockRows = std::to_array<BlockRow>({
#define ASSAY_GGUF_TYPE(id, name, elements, bytes, ...) {id, DType::name, #name, {elements, bytes}, {{__VA_ARGS__}}},
#include "checkpoint/gguf_types.def"
#undef ASSAY_GGUF_TYPE
});
static_assert(std::ranges::all_of(kBlockRows, [](const BlockRow& row) {
  return std::ranges::all_of(row.numbers,
                             [&](const Numbers& n) { return n.offset + n.width * n.count <= row.block.bytes; });
}));

const BlockRow& block_row(DType dtype) {
  ASSAY_CHECK(is_blocked(dtype));
  return kBlockRows.at(static_cast<size_t>(dtype) - kRows.size());
}

/// Types without blocks.
constexpr std::pair<uint32_t, DType> kPlainIds[] = {
    {0, DType::F32},  {1, DType::F16},  {24, DType::I8},  {25, DType::I16},
    {26, DType::I32}, {27, DType::I64}, {28, DType::F64}, {30, DType::BF16},
};

void reverse_each(std::byte* at, int64_t width, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::reverse(at + i * width, at + (i + 1) * width);
}

}  // namespace

Block block_of(DType dtype) {
  if (is_blocked(dtype)) return block_row(dtype).block;
  const int bits = bits_of(dtype);
  if (bits % 8 == 0) return {1, bits / 8};
  return bits == 4 ? Block{2, 1} : Block{4, 3};
}

int bits_of(DType dtype) {
  return row(dtype).bits;
}

std::string_view name_of(DType dtype) {
  return is_blocked(dtype) ? block_row(dtype).name : row(dtype).name;
}

std::optional<DType> dtype_of(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::optional<DType> dtype_of_gguf(uint32_t id) {
  for (const auto& [plain, dtype] : kPlainIds) {
    if (plain == id) return dtype;
  }
  for (const BlockRow& row : kBlockRows) {
    if (row.id == id) return row.dtype;
  }
  return std::nullopt;
}

void swap_byte_order(DType dtype, std::span<std::byte> blocks) {
  const auto block = static_cast<size_t>(block_of(dtype).bytes);
  ASSAY_CHECK(blocks.size() % block == 0);
  if (!is_blocked(dtype)) {
    reverse_each(blocks.data(), static_cast<int64_t>(block), static_cast<int64_t>(blocks.size() / block));
    return;
  }
  for (size_t at = 0; at < blocks.size(); at += block) {
    for (const Numbers& n : block_row(dtype).numbers) reverse_each(blocks.data() + at + n.offset, n.width, n.count);
  }
}

}  // namespace assay
