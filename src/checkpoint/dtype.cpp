#include "checkpoint/dtype.h"

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

}  // namespace

int bits_of(DType dtype) {
  return row(dtype).bits;
}

std::string_view name_of(DType dtype) {
  return row(dtype).name;
}

std::optional<DType> dtype_of(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace assay
