// Any bytes as a project file: reading it either throws Error or yields a project with one reference.
#include <algorithm>

#include "base/error.h"
#include "cli/project_file.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    const assay::Project project = assay::read_project(file.path());
    const auto& models = project.models;
    require(std::count_if(models.begin(), models.end(), [](const auto& entry) { return entry.reference; }) == 1);
    require(models.front().reference);
    require(project.data.eval_len > 1 && project.data.eval_stride > 0 && project.data.max_rows > 0);
  } catch (const assay::Error&) {
  }
  return 0;
}
