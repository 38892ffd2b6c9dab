#include "formats/compressed_tensors/weight.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/compressed_tensors/runtime.h"
#include "formats/shared/reading.h"

namespace assay::compressed_tensors {

using Strategy = QuantArgs::Strategy;

bool stores(const Module& module, std::string_view suffix, std::initializer_list<DType> dtypes) {
  if (module.config().method() != kMethod) return false;
  const StoredTensor* tensor = module.find(suffix);
  return tensor && std::find(dtypes.begin(), dtypes.end(), tensor->dtype) != dtypes.end();
}

Weight::Weight(const Module& module) : StoredWeight(module) {
  const bool embedding = module.kind() == Module::Kind::embedding;
  group_ = module.config().parsed<Config>().group_of({module.name(), embedding ? "Embedding" : "Linear"});
}

void Weight::require_config(bool is_float, int bits, int64_t group_size) const {
  const QuantArgs* found = args();
  if (!found) return;
  const bool same_kind = found->is_float == is_float && (bits == 0 || found->bits == bits);
  if (same_kind && (group_size == 0 || found->group_size == group_size)) return;
  module_.refuse(fmt::format("{} says {}, but the stored tensors are {}{}{}", found->where, found->describe(),
                             bits ? std::to_string(bits) + "-bit " : "", is_float ? "floats" : "integers",
                             group_size ? fmt::format(" in groups of {}", group_size) : ""));
}

void Weight::init(int64_t rows, int64_t cols, std::string variant) {
  rows_ = rows;
  cols_ = cols;
  variant_ = std::move(variant);
  if (rows < 1 || cols < 1) module_.refuse(fmt::format("an empty weight [{}, {}]", rows, cols));
  parts_ = parts_of(module_);
  Runtime runtime = runtime_of(module_, group_, rows, cols);
  input_quant_ = std::move(runtime.input);
  output_quant_ = std::move(runtime.output);
  input_transform_ = std::move(runtime.input_transform);
  output_transform_ = std::move(runtime.output_transform);
}

ScaleGrid Weight::scale_grid(const StoredTensor& scale, DType as) const {
  int64_t row_block = 1, col_block = cols_;
  if (const QuantArgs* scheme = args()) {
    switch (scheme->strategy) {
      case Strategy::tensor:
        row_block = rows_;
        break;
      case Strategy::channel:
        break;
      case Strategy::group:
      case Strategy::tensor_group:
        col_block = scheme->group_size;
        break;
      case Strategy::block:
        row_block = scheme->block_rows;
        col_block = scheme->block_cols;
        break;
      default:
        module_.refuse(fmt::format("{}: not a strategy for weights: {}", scheme->where, scheme->describe()));
    }
  } else if (scale.elements() == 1) {
    row_block = rows_;
  } else if (scale.shape.size() == 2 && scale.shape[1] > 0 && cols_ % scale.shape[1] == 0) {
    col_block = cols_ / scale.shape[1];
  }
  return {module_, scale, as, rows_, cols_, std::min(row_block, rows_), std::min(col_block, cols_)};
}

ScaleGrid Weight::float_scale_grid() const {
  const StoredTensor& scale = module_.at("weight_scale");
  if (!is_float(scale.dtype))
    module_.refuse(fmt::format("{}: expected floats, found {}", scale.name, scale.describe()));
  return scale_grid(scale, scale.dtype);
}

const StoredTensor& Weight::global_scale() const {
  const StoredTensor& global = module_.at("weight_global_scale");
  if (global.dtype != DType::F32 || global.elements() != 1) {
    module_.refuse(fmt::format("{}: expected F32 [1], found {}", global.name, global.describe()));
  }
  return global;
}

void Weight::divide_by_global(const StoredTensor& global, ScaleGrid::Rows& scales) const {
  const float divisor = read_scalar(module_, global);
  for (float& scale : scales.scales) {
    scale /= divisor;
    if (!std::isfinite(scale))
      fail("{}: weight_scale / {} is {}, {} being {}", name(), global.name, scale, global.name, divisor);
  }
}

const StoredTensor* Weight::byte_zero_points(const ScaleGrid& scales, DType type) const {
  const StoredTensor* zeros = module_.find("weight_zero_point");
  if (!zeros) {
    if (args() && !args()->symmetric) module_.refuse("an asymmetric scheme, but weight_zero_point is not stored");
    return nullptr;
  }
  if (zeros->dtype != type || zeros->elements() != scales.grid_rows() * scales.grid_cols()) {
    module_.refuse(fmt::format("{}: expected {} [{}, {}], one for each scale, found {}", zeros->name, name_of(type),
                               scales.grid_rows(), scales.grid_cols(), zeros->describe()));
  }
  return zeros;
}

void Weight::read_byte_zero_points(const StoredTensor& zeros, ScaleGrid::Rows& scales) const {
  const int64_t first = scales.first_grid_row * scales.grid_cols;
  scales.zeros = read_values(module_.checkpoint(), zeros, zeros.dtype, first, scales.grid_rows * scales.grid_cols);
  require_finite(module_, zeros, scales.zeros, first, scales.grid_cols);
}

}  // namespace assay::compressed_tensors
