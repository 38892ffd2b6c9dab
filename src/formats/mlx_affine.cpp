#include "formats/mlx_affine.h"

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/parts.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {
    {"weight", Role::codes},
    {"scales", Role::scales},
    {"biases", Role::zero_points},
    {"bias", Role::bias},
};

template <int kBits>
void unpack(const uint8_t* row, int64_t row_bytes, int64_t count, float* out) {
  unpack_stream<kBits>(reinterpret_cast<const uint32_t*>(row), row_bytes / 4, count, out);
}
constexpr decltype(&unpack<2>) kUnpack[] = {nullptr,   nullptr,   unpack<2>, unpack<3>, unpack<4>,
                                            unpack<5>, unpack<6>, nullptr,   unpack<8>};

}  // namespace

MlxAffine::MlxAffine(const Module& module) : CodedWeight(module, "") {
  const mlx::Scheme scheme = module.config().parsed<mlx::Config>().scheme_of(module);
  const auto bits = static_cast<int>(scheme.bits);
  format_ = fmt::format("mlx/affine-{}bit", bits);
  const StoredTensor& codes = module.at("weight");
  set_codes(codes, {bits, kUnpack[bits]});
  if (codes.shape.back() * 32 % bits != 0 || cols_ % scheme.group_size != 0) {
    module.refuse(fmt::format("{}: {} words a row do not make groups of {} codes of {} bits", codes.name,
                              codes.shape.back(), scheme.group_size, bits));
  }
  lowest_ = static_cast<float>(-(1 << (bits - 1)));
  set_float_scales(module.at("scales"), 1, scheme.group_size);
  const StoredTensor& biases = module.at("biases");
  if (biases.dtype != module.at("scales").dtype) {
    module.refuse(fmt::format("{}: expected the type of the scales, found {}", biases.name, biases.describe()));
  }
  biases_ = ScaleGrid(module, biases, biases.dtype, rows_, cols_, 1, scheme.group_size);
  parts_ = parts_of(module, kRoles);
}

ScaleGrid::Rows MlxAffine::read_scales(int64_t begin, int64_t end) const {
  ScaleGrid::Rows scales = CodedWeight::read_scales(begin, end);
  scales.zeros = biases_.read(module_, begin, end).scales;
  return scales;
}

void MlxAffine::apply_scales(const ScaleGrid::Rows& scales, int64_t row, float* w) const {
  add_offsets(scales, row, w, lowest_);
}

}  // namespace assay
