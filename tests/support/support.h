#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace assay::test {

/// The unpacked ground truth: $ASSAY_FIXTURES, else build/fixtures of the source tree. Empty when there is none.
std::filesystem::path fixtures();

/// shared/data beside the project ($ASSAY_SHARED_DATA overrides). Empty when there is none.
std::filesystem::path shared_data();

/// tests/data of the source tree: small fixtures that travel with the project.
std::filesystem::path test_data();

/// The assay binary of this build.
std::filesystem::path assay_binary();

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);

/// A fresh folder, removed with everything in it when the object goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace assay::test

/// Skips the test, in one line that says why, where the ground truth is not unpacked.
#define ASSAY_REQUIRE_FIXTURES()         \
  if (::assay::test::fixtures().empty()) \
  GTEST_SKIP() << "ground truth not unpacked: set ASSAY_FIXTURES or run `make test` beside ../shared"

#define ASSAY_REQUIRE_SHARED_DATA()         \
  if (::assay::test::shared_data().empty()) \
  GTEST_SKIP() << "tokenizers and wiki2 are not here: set ASSAY_SHARED_DATA or keep ../shared beside the project"
