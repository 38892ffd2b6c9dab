#pragma once
#include <string>
#include <string_view>

namespace assay::text {

bool is_xz(std::string_view bytes);

/// The content of an .xz file. Error when it is damaged or far larger than a vocabulary can be.
std::string decompress_xz(std::string_view bytes, const std::string& where);

}  // namespace assay::text
