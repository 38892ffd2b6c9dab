#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"

namespace assay {

/// YAML text as the JSON that it stands for. Plain words become null, booleans and numbers as PyYAML reads them; merge
/// keys ("<<") are carried out. Error with line and column for malformed text, keys that are no scalars, keys given
/// twice, and aliases that expand to more than the text could mean.
Json parse_yaml(const std::string& text, const std::string& where);
/// The same for a whole file of at most 1 MiB.
Json read_yaml(const std::filesystem::path& path);

}  // namespace assay
