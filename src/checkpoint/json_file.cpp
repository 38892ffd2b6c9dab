#include "checkpoint/json_file.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/input_file.h"

namespace assay {

namespace {

/// An index of a million tensors takes 100 MB; a large tokenizer.json 35 MB.
constexpr uint64_t kMaxJson = uint64_t{256} << 20;

}  // namespace

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

std::string read_model_text(const std::filesystem::path& path) {
  const InputFile file(path);
  if (file.bytes() > kMaxJson) fail("{}: {} bytes, too large for a JSON file of a model", path.string(), file.bytes());
  std::string text(file.bytes(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  if (text.starts_with("version https://git-lfs")) {
    fail("{}: this is a git-lfs pointer, not the file itself; run `git lfs pull`", path.string());
  }
  return text;
}

Json read_model_json(const std::filesystem::path& path) {
  return parse_json(read_model_text(path), path.string());
}

}  // namespace assay
