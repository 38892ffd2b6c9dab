#pragma once
#include <memory>
#include <string>
#include <vector>

#include "tokens/gguf/pre_tokenizers.h"
#include "tokens/tokenizer_json/model.h"

namespace assay::text {

/// Byte-pair encoding as llama.cpp does it: merges are pairs of texts, whether or not the vocabulary knows them, and
/// what is no token in the end is spelled by its bytes as far as they are tokens.
std::unique_ptr<Model> make_gguf_merge_model(Vocabulary vocab, const std::vector<std::string>& merges,
                                             const GgufPreTokenizer& how);

}  // namespace assay::text
