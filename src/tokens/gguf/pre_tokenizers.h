#pragma once
#include <string>
#include <vector>

namespace assay::text {

/// How llama.cpp cuts a text before byte-pair encoding, chosen by "tokenizer.ggml.pre".
struct GgufPreTokenizer {
  std::vector<std::string> patterns;  ///< each cuts the pieces of the one before at its matches
  bool ignore_merges = false;         ///< a piece that is a token is taken whole
  bool whole_newlines = false;        ///< so is a piece of newlines only
  bool add_bos = false;               ///< unless the file says otherwise
  bool always_bos = false;            ///< whatever the file says
  bool no_default_bos = false;        ///< there is no BOS unless the file names one
  bool raw = false;                   ///< tokens spell characters, not bytes, and spaces as U+2581
  bool strip_before_mask = false;     ///< "<mask>" swallows the white space before it
};

/// `name` empty: as llama.cpp does without one. Error, beginning with `where`, for a name that is not known.
GgufPreTokenizer gguf_pre_tokenizer(const std::string& name, const std::string& where);

/// All names, for messages and tests.
std::vector<std::string> gguf_pre_tokenizer_names();

}  // namespace assay::text
