#pragma once
#include <optional>

#include "formats/compressed_tensors/config.h"
#include "formats/format.h"

namespace assay::compressed_tensors {

/// What a compressed-tensors config has a layer do at run time beside its matrix product.
struct Runtime {
  ActivationQuant input, output;
  std::optional<OnlineTransform> input_transform, output_transform;
};

/// `group`: the group whose activation schemes apply, or null.
Runtime runtime_of(const Module& module, const Group* group, int64_t rows, int64_t cols);

/// The part of a name after the module's, for tensors of compressed-tensors modules.
Role role_of(std::string_view suffix);

/// Every stored tensor of the module with its role, rotation matrices below it included.
std::vector<StoredPart> parts_of(const Module& module);

AttentionQuant attention_quant(const Module& attention);

}  // namespace assay::compressed_tensors
