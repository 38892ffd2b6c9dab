#pragma once
#include <memory>
#include <string_view>

#include "base/json.h"
#include "tokens/tokenizer.h"

namespace assay::text {

/// A tokenizer from the text of a tokenizer.json. `config` (null when there is none) is tokenizer_config.json: where it
/// makes the Python class add a BOS that no post-processor adds, so does this, and says so in its notes.
std::unique_ptr<Tokenizer> make_pipeline(std::string_view tokenizer_json, const std::string& where,
                                         const JsonObject* config);

/// "add_bos_token" of a class that heeds it: true, false, or not said.
std::optional<bool> class_adds_bos(const JsonObject& config);
/// "bos_token", a string or an object with "content".
std::string bos_token(const JsonObject& config);

}  // namespace assay::text
