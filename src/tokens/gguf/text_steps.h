#pragma once
#include <memory>
#include <string>

#include "tokens/gguf_vocabulary.h"
#include "tokens/tokenizer_json/pre_tokenizers.h"

namespace assay::text {

/// Spaces become U+2581; with `prefix` one is put before every piece: before the text and after each special token.
std::unique_ptr<PreTokenizer> make_gguf_spaces(bool prefix);

/// Bytes become the characters of a byte-level vocabulary.
std::unique_ptr<PreTokenizer> make_gguf_bytes();

/// The normalizer of a Unigram vocabulary: character map, prefix, and runs of spaces.
std::unique_ptr<PreTokenizer> make_gguf_unigram_text(const GgufVocabulary& vocabulary, const std::string& where);

/// BERT's words, each with a U+2581 before it.
std::unique_ptr<PreTokenizer> make_gguf_bert_words(const GgufVocabulary& vocabulary);

}  // namespace assay::text
