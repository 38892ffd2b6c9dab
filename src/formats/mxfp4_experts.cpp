#include "formats/mxfp4_experts.h"

#include "base/error.h"

namespace assay {

Mxfp4Experts::Mxfp4Experts(const Module& module) : CodedWeight(module, "mxfp4/experts") {
  const StoredTensor& blocks = module.checkpoint().at(module.name() + "_blocks");
  const StoredTensor& scales = module.checkpoint().at(module.name() + "_scales");
  const std::vector<int64_t>& shape = blocks.shape;
  if (blocks.dtype != DType::U8 || shape.size() != 4 || shape[3] != kGroup / 2 || blocks.elements() == 0) {
    module.refuse(fmt::format("{}: expected U8 [experts, out, in / 32, 16], found {}", blocks.name, blocks.describe()));
  }
  const std::vector<int64_t> groups(shape.begin(), shape.end() - 1);
  if ((scales.dtype != DType::U8 && scales.dtype != DType::F8_E8M0) || scales.shape != groups) {
    module.refuse(fmt::format("{}: expected U8 [{}, {}, {}], found {}", scales.name, groups[0], groups[1], groups[2],
                              scales.describe()));
  }
  set_codes(blocks, row_codes::e2m1());
  rows_ = shape[0] * shape[1];
  cols_ = shape[2] * kGroup;
  set_scales(scales, DType::F8_E8M0, 1, kGroup);
  parts_ = {{Role::codes, &blocks}, {Role::scales, &scales}};
  if (const StoredTensor* bias = module.checkpoint().find(module.name() + "_bias")) {
    parts_.push_back({Role::bias, bias});
  }
}

}  // namespace assay
