#include "formats/gguf/weight.h"

#include <fmt/format.h>

#include "base/error.h"
#include "formats/gguf/decode.h"
#include "formats/gguf/runtime.h"
#include "formats/shared/column_order.h"
#include "formats/shared/parameter.h"
#include "formats/shared/reading.h"

namespace assay {

GgufWeight::GgufWeight(const Module& module) : StoredWeight(module), tensor_(weight_or_parameter(module)) {
  const auto [rows, cols] = matrix_size(module, *tensor_);
  rows_ = rows;
  cols_ = cols;
  for (const StoredTensor* tensor : module.tensors()) {
    const std::string_view suffix = std::string_view(tensor->name).substr(tensor->name.rfind('.') + 1);
    const Role role = tensor == tensor_         ? Role::weights
                      : suffix == "bias"        ? Role::bias
                      : suffix == "scale"       ? Role::global_scales
                      : suffix == "input_scale" ? Role::activation_scales
                                                : Role::other;
    if (role == Role::global_scales) scale_ = tensor;
    parts_.push_back({role, tensor});
  }
  if (scale_ && (scale_->dtype != DType::F32 || scale_->elements() != 1)) {
    module.refuse(fmt::format("{}: expected F32 [1], found {}", scale_->name, scale_->describe()));
  }
  input_quant_ = gguf::input_quant(module, tensor_->dtype);
}

std::string GgufWeight::format() const {
  return fmt::format("gguf/{}", name_of(tensor_->dtype));
}

void GgufWeight::decode(int64_t begin, int64_t end, float* out) const {
  const Block block = block_of(tensor_->dtype);
  const int64_t blocks = cols_ / block.elements;
  for_rows(module_.checkpoint(), *tensor_, blocks * block.bytes, begin, end, [&](int64_t row, const uint8_t* stored) {
    gguf::decode_blocks(tensor_->dtype, stored, blocks, out + (row - begin) * cols_);
  });
  order_columns(*tensor_, out, end - begin);
  if (!scale_) return;
  const float scale = read_floats(module_.checkpoint(), *scale_)[0];
  for (int64_t i = 0; i < (end - begin) * cols_; ++i) out[i] *= scale;
}

}  // namespace assay
