#include "formats/shared/parameter.h"

#include <fmt/format.h>

namespace assay {

const StoredTensor* weight_or_parameter(const Module& module) {
  const StoredTensor* weight = module.find("weight");
  return weight ? weight : module.parameter();
}

Module::Size matrix_size(const Module& module, const StoredTensor& tensor) {
  const std::vector<int64_t>& shape = tensor.shape;
  const bool stacked = shape.size() == 3 && tensor.name == module.name();
  if (shape.size() != 2 && !stacked)
    module.refuse(fmt::format("{}: expected a matrix [out, in], found {}", tensor.name, tensor.describe()));
  return {stacked ? shape[0] * shape[1] : shape[0], shape.back()};
}

}  // namespace assay
