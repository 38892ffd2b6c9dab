// Runs a fuzz entry over files and folders of files, where libFuzzer is not available.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/json.h"

namespace fs = std::filesystem;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

int replay(const fs::path& path) {
  if (fs::is_directory(path)) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(path)) count += replay(entry.path());
    return count;
  }
  const std::string bytes = assay::read_file(path);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  int count = 0;
  try {
    for (int i = 1; i < argc; ++i) count += replay(argv[i]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  std::printf("%d inputs replayed\n", count);
  return count > 0 ? 0 : 1;
}
