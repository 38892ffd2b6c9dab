#pragma once
#include "formats/compressed_tensors/runtime.h"
#include "formats/format.h"
#include "formats/gguf/runtime.h"
#include "formats/shared/column_order.h"
#include "formats/shared/parameter.h"
#include "formats/shared/reading.h"

namespace assay {

// Plain floats.
//
//   weight            F64 | F32 | F16 | BF16   [out, in]
//   or the module itself is a parameter        [out, in], or [experts, out, in] seen as experts * out rows
//
// F64 is rounded to float32; the others are exact.
class Dense : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"float", "dense", "16-64", "weight F64|F32|F16|BF16 [out, in]"};

  static bool matches(const Module& module) {
    const StoredTensor* tensor = weight_or_parameter(module);
    if (!tensor || !is_float(tensor->dtype)) return false;
    // Qparams beside a float weight mean that it is not meant as it stands.
    for (const StoredTensor* other : module.tensors()) {
      if (other == tensor) continue;
      const std::string_view suffix = std::string_view(other->name).substr(module.name().size() + 1);
      for (const char* sign : {"weight_", "qweight", "qzeros", "scales", "SCB"}) {
        if (suffix.starts_with(sign)) return false;
      }
    }
    return true;
  }

  explicit Dense(const Module& module) : StoredWeight(module), tensor_(weight_or_parameter(module)) {
    const auto [rows, cols] = matrix_size(module, *tensor_);
    rows_ = rows;
    cols_ = cols;
    if (rows_ < 1 || cols_ < 1) module.refuse(fmt::format("{}: empty: {}", tensor_->name, tensor_->describe()));
    parts_ = compressed_tensors::parts_of(module);
    if (module.config().method() == compressed_tensors::kMethod) adopt_runtime();
    if (module.config().method() == gguf::kMethod) input_quant_ = gguf::input_quant(module, tensor_->dtype);
  }

  std::string format() const override {
    std::string name(name_of(tensor_->dtype));
    for (char& c : name) c = static_cast<char>(c | 0x20);
    return "dense/" + name;
  }

  void decode(int64_t begin, int64_t end, float* out) const override {
    const int64_t row_bytes = cols_ * (bits_of(tensor_->dtype) / 8);
    for_rows(module_.checkpoint(), *tensor_, row_bytes, begin, end, [&](int64_t row, const uint8_t* stored) {
      convert_floats(tensor_->dtype, stored, cols_, out + (row - begin) * cols_);
    });
    order_columns(*tensor_, out, end - begin);
  }

 private:
  /// A scheme without weights quantizes activations alone; one with weights was not carried out here.
  void adopt_runtime() {
    const bool embedding = module_.kind() == Module::Kind::embedding;
    const auto& config = module_.config().parsed<compressed_tensors::Config>();
    const auto* group = config.group_of({name(), embedding ? "Embedding" : "Linear"});
    auto runtime = compressed_tensors::runtime_of(module_, group && !group->weights ? group : nullptr, rows_, cols_);
    input_quant_ = std::move(runtime.input);
    output_quant_ = std::move(runtime.output);
    input_transform_ = std::move(runtime.input_transform);
    output_transform_ = std::move(runtime.output_transform);
  }

  const StoredTensor* tensor_;
};

}  // namespace assay
