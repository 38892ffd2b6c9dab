#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// The files that a path stands for, found by their names alone.
struct ModelFiles {
  std::filesystem::path directory;  // of the tensor files and of config.json
  std::vector<std::string> names;   // of the tensor files, sorted
  /// Tensor -> its file, where an index file says so.
  std::optional<std::map<std::string, std::string, std::less<>>> index;
  std::string index_name;
  bool gguf = false;
  std::vector<std::string> notes;
};

/// The files of a split model ("x-00002-of-00003.gguf", any of them), in order, and otherwise just the file itself.
/// Error when shards are missing.
std::vector<std::filesystem::path> gguf_shards(const std::filesystem::path& path);

/// Error when nothing is there, when it is ambiguous, or when it is a kind of file that is never read.
ModelFiles locate_model(const std::filesystem::path& path);

}  // namespace assay
