#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/json.h"

namespace assay {

/// A file name without any folder: what an index may name, and what may be asked for beside the tensors.
bool is_plain_file_name(std::string_view name);

/// A JSON file of a model, with a bound on its size and a word on git-lfs pointers.
Json read_model_json(const std::filesystem::path& path);
std::string read_model_text(const std::filesystem::path& path);

}  // namespace assay
