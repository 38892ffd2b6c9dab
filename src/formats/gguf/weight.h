#pragma once
#include "formats/shared/parameter.h"

namespace assay {

// A weight of a GGUF file, in one of the block types of formats/gguf/.
//
//   weight       blocks  [out, in]   whole rows of blocks, one after the other
//   or the module itself is a parameter [out, in], or [experts, out, in] seen as experts * out rows
//   scale        F32     [1]         NVFP4: factor of the whole weight
//   input_scale  F32     [1]         of activations, where a backend has NVFP4 products
class GgufWeight : public StoredWeight {
 public:
  std::string format() const override;
  void decode(int64_t begin, int64_t end, float* out) const override;

 protected:
  explicit GgufWeight(const Module& module);

 private:
  const StoredTensor* tensor_;
  const StoredTensor* scale_ = nullptr;
};

template <class Type>
class GgufFormat final : public GgufWeight {
 public:
  static constexpr FormatInfo kInfo = Type::kInfo;

  static bool matches(const Module& module) {
    const StoredTensor* tensor = weight_or_parameter(module);
    return tensor && tensor->dtype == Type::kType;
  }
  explicit GgufFormat(const Module& module) : GgufWeight(module) {}
};

}  // namespace assay
