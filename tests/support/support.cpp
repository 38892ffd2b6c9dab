#include "support/support.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace assay::test {
namespace fs = std::filesystem;

namespace {

fs::path folder(const char* variable, const fs::path& otherwise) {
  const char* value = std::getenv(variable);
  const fs::path path = value ? fs::path(value) : otherwise;
  return fs::is_directory(path) ? path : fs::path();
}

}  // namespace

fs::path fixtures() {
  return folder("ASSAY_FIXTURES", fs::path(ASSAY_SOURCE_DIR) / "build/fixtures");
}
fs::path shared_data() {
  return folder("ASSAY_SHARED_DATA", fs::path(ASSAY_SOURCE_DIR) / "../shared/data");
}
fs::path test_data() {
  return fs::path(ASSAY_SOURCE_DIR) / "tests/data";
}
fs::path assay_binary() {
  return fs::path(ASSAY_BINARY_DIR) / "assay";
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

TempDir::TempDir() {
  static std::atomic<int> count{0};
  path_ = fs::temp_directory_path() / ("assay_test_" + std::to_string(getpid()) + "_" + std::to_string(count++));
  fs::create_directories(path_);
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace assay::test
