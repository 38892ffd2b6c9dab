#pragma once
#include <memory>

#include "base/json.h"
#include "tokens/tokenizer_json/model.h"

namespace assay::text {

/// WordPiece: the longest known beginning of a word, then the longest known continuation ("##..."), and so on.
std::unique_ptr<Model> make_word_piece(const JsonObject& model, TokenizerFile& file);

/// WordLevel: whole pieces or the unknown token.
std::unique_ptr<Model> make_word_level(const JsonObject& model, TokenizerFile& file);

}  // namespace assay::text
