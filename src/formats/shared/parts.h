#pragma once
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/format.h"

namespace assay {

/// The part of a stored name after the module's, and what it is for.
using NamedRole = std::pair<std::string_view, Role>;

/// Every tensor stored under the module's name, however deep, with the role of the longest name in `roles` that its
/// suffix begins with; Role::other when there is none.
std::vector<StoredPart> parts_of(const Module& module, std::span<const NamedRole> roles);

}  // namespace assay
