#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/gguf.h"
#include "tokens/gguf_vocabulary.h"
#include "tokens/sentencepiece.h"
#include "tokens/tokenizer.h"
#include "tokens/tokenizer_json/pipeline.h"
#include "tokens/tokenizer_json/xz.h"

namespace assay {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFileNames[] = {"tokenizer.json", "tokenizer.json.xz", "tokenizer.model"};

/// Empty when a folder has none of them.
fs::path tokenizer_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  for (const char* name : kFileNames) {
    if (fs::exists(path / name, ignored)) return path / name;
  }
  return {};
}

}  // namespace

bool has_tokenizer(const fs::path& path) {
  std::error_code ignored;
  const fs::path file = tokenizer_file(path);
  if (!file.empty() && file.extension() != ".gguf") return fs::exists(file, ignored);
  const auto metadata = gguf_metadata(path);
  return metadata && metadata->has("tokenizer.ggml.tokens");
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& path) {
  const fs::path file = tokenizer_file(path);
  if (file.empty() || file.extension() == ".gguf") {
    if (const auto metadata = gguf_metadata(path)) {
      return make_gguf_tokenizer(read_gguf_vocabulary(*metadata), metadata->path().string());
    }
    fail("{}: no tokenizer: expected tokenizer.json, tokenizer.json.xz, tokenizer.model or a GGUF model in this folder",
         path.string());
  }
  std::string bytes = read_file(file);
  if (text::is_xz(bytes)) bytes = text::decompress_xz(bytes, file.string());

  // A folder is a checkpoint and its config counts; a file given by name is taken as it is.
  std::error_code ignored;
  const fs::path config_file = path / "tokenizer_config.json";
  Json config_json;
  std::optional<JsonObject> config;
  if (file != path && fs::exists(config_file, ignored)) {
    config_json = read_json(config_file);
    config.emplace(config_json, config_file.string());
  }
  const JsonObject* config_or_null = config ? &*config : nullptr;
  if (file.extension() == ".model") return make_sentencepiece(bytes, file.string(), config_or_null);
  return text::make_pipeline(bytes, file.string(), config_or_null);
}

}  // namespace assay
