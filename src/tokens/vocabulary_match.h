#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "tokens/tokenizer.h"

namespace assay {

/// What the report should say when a model's own tokenizer (that of `model`, a folder or a .gguf file) knows ids of the
/// data by other spellings than the tokenizer that made them; empty when all agree, or the model brings no tokenizer.
std::string vocabulary_note(const Tokenizer& used, std::span<const int32_t> ids, const std::filesystem::path& model);

}  // namespace assay
