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
  std::vector<std::string> notes;
};

/// Error when nothing is there, when it is ambiguous, or when it is a kind of file that is never read.
ModelFiles locate_model(const std::filesystem::path& path);

}  // namespace assay
