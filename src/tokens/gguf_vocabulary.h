#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tokens/tokenizer.h"

namespace assay {

class GgufMetadata;

/// What the metadata of a GGUF file say about its tokenizer: the keys "tokenizer.ggml.*", as they stand.
struct GgufVocabulary {
  enum class Type { kUndefined, kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

  std::string model;  ///< "gpt2", "gemma4" (both byte-pair with merges), "llama" (with scores), "t5", "bert"
  std::string pre;    ///< how text is cut before byte-pair encoding; empty when the file does not say
  std::vector<std::string> tokens;
  std::vector<float> scores;        ///< by id; empty: all 0
  std::vector<Type> types;          ///< by id; empty: all normal
  std::vector<std::string> merges;  ///< "left right"
  std::string charsmap;             ///< SentencePiece's compiled character map; empty: none

  std::optional<int64_t> bos, eos, unk, sep, pad;
  std::optional<int64_t> fim_prefix, fim_suffix, fim_middle, fim_pad, fim_repo, fim_separator;
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces, lowercase, strip_accents;

  std::string model_name;  ///< general.name, which decides a detail of Phi-3 files
};

/// Error when a key has another kind of value than it should.
GgufVocabulary read_gguf_vocabulary(const GgufMetadata& metadata);

/// The metadata of the GGUF model at `path`, a .gguf file or a folder of one; null when it is something else.
std::shared_ptr<const GgufMetadata> gguf_metadata(const std::filesystem::path& path);

/// Ids equal to llama.cpp's own for the same file. Error for a model or pre-tokenizer that assay does not know (by
/// name), and for a damaged vocabulary.
std::unique_ptr<Tokenizer> make_gguf_tokenizer(GgufVocabulary vocabulary, const std::string& where);

}  // namespace assay
