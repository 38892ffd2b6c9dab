#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf.h"
#include "tokens/gguf_vocabulary.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPrefix = "tokenizer.ggml.";

std::optional<int64_t> id(const GgufMetadata& metadata, const std::string& name) {
  const std::string key = kPrefix + name + "_token_id";
  return metadata.has(key) ? std::optional(metadata.integer(key)) : std::nullopt;
}

std::optional<int64_t> id(const GgufMetadata& metadata, const std::string& name, const std::string& old_name) {
  const auto found = id(metadata, name);
  return found ? found : id(metadata, old_name);
}

std::optional<bool> flag(const GgufMetadata& metadata, const std::string& name) {
  const std::string key = kPrefix + name;
  return metadata.has(key) ? std::optional(metadata.boolean(key)) : std::nullopt;
}

bool is_gguf(const fs::path& path) {
  return path.extension() == ".gguf";
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const GgufMetadata& metadata) {
  const auto key = [](const char* name) { return std::string(kPrefix) + name; };
  GgufVocabulary out;
  out.model = metadata.string_or(key("model"), "");
  out.pre = metadata.string_or(key("pre"), "");
  out.model_name = metadata.string_or("general.name", "");
  out.tokens = metadata.strings(key("tokens"));
  out.merges = metadata.strings(key("merges"));
  for (const double score : metadata.numbers(key("scores"))) out.scores.push_back(static_cast<float>(score));
  for (const int64_t type : metadata.integers(key("token_type"))) {
    const bool known = type >= 0 && type <= static_cast<int64_t>(GgufVocabulary::Type::kByte);
    out.types.push_back(known ? static_cast<GgufVocabulary::Type>(type) : GgufVocabulary::Type::kUndefined);
  }
  for (const int64_t byte : metadata.integers(key("precompiled_charsmap"))) out.charsmap += static_cast<char>(byte);

  out.bos = id(metadata, "bos");
  out.eos = id(metadata, "eos");
  out.unk = id(metadata, "unknown");
  out.sep = id(metadata, "seperator");  // as it is spelled
  out.pad = id(metadata, "padding");
  out.fim_prefix = id(metadata, "fim_pre", "prefix");
  out.fim_suffix = id(metadata, "fim_suf", "suffix");
  out.fim_middle = id(metadata, "fim_mid", "middle");
  out.fim_pad = id(metadata, "fim_pad");
  out.fim_repo = id(metadata, "fim_rep");
  out.fim_separator = id(metadata, "fim_sep");
  out.add_bos = flag(metadata, "add_bos_token");
  out.add_eos = flag(metadata, "add_eos_token");
  out.add_space_prefix = flag(metadata, "add_space_prefix");
  out.remove_extra_whitespaces = flag(metadata, "remove_extra_whitespaces");
  out.lowercase = flag(metadata, "normalizer.lowercase");
  out.strip_accents = flag(metadata, "normalizer.strip_accents");
  return out;
}

std::shared_ptr<const GgufMetadata> gguf_metadata(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return is_gguf(path) ? Checkpoint::open(path).gguf() : nullptr;
  const fs::directory_iterator files(path, ignored);
  const bool any = std::any_of(begin(files), end(files), [](const auto& entry) { return is_gguf(entry.path()); });
  return any ? Checkpoint::open(path).gguf() : nullptr;
}

}  // namespace assay
