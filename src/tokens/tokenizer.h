#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct EncodeOptions {
  bool add_special = true;    ///< let the post-processor add BOS / EOS
  bool parse_special = true;  ///< names of special tokens inside the text become those tokens
};

/// Text to token ids, equal to the reference implementation on every input.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const = 0;
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special) const = 0;
  /// One more than the highest id.
  virtual int64_t vocab_size() const = 0;
  virtual std::optional<int32_t> token_id(std::string_view token) const = 0;
  /// How the vocabulary spells a token; empty for an id that it does not know.
  virtual std::string_view piece(int32_t id) const = 0;

  /// What the report should say about choices made here (for example a BOS added on behalf of the Python class).
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  std::vector<std::string> notes_;
};

/// `path`: a directory with tokenizer.json (or tokenizer.json.xz, or tokenizer.model, or a GGUF model), or such a file.
/// A folder is a checkpoint, and its tokenizer_config.json is heeded; a file by name is taken as it is.
/// Throws Error when there is none, it is damaged, or has a component that assay does not know.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path);
/// Whether there is one at `path`; says nothing about its content.
bool has_tokenizer(const std::filesystem::path& path);

}  // namespace assay
