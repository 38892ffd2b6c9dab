#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/format.h"

namespace assay {

/// The rows that a name stands for: a family, a format, a tool ("gptqmodel"), a config class of transformers
/// ("BitsAndBytesConfig"), or a choice of one ("load_in_4bit"); case, dashes and underscores do not matter. Empty when
/// the name says nothing.
std::vector<Format> formats_named(std::string_view name);

/// What is known of a quantization method that this version does not decode.
std::optional<std::string> method_not_decoded(std::string_view name);

/// Every name that the two understand, for messages.
std::vector<std::string> known_format_names();

}  // namespace assay
