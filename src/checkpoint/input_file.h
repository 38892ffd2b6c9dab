#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace assay {

/// A regular file, open for positioned reads from any thread. Every failure is an Error that names the file.
class InputFile {
 public:
  explicit InputFile(std::filesystem::path path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  const std::filesystem::path& path() const { return path_; }
  /// Size when it was opened.
  uint64_t bytes() const { return bytes_; }
  /// Fills `out` from `offset`; a file that ends before that has become shorter since it was opened.
  void read(uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  uint64_t bytes_ = 0;
  int descriptor_ = -1;
};

}  // namespace assay
