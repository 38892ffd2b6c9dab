#include "device/device.h"

#include <cmath>

#include "base/error.h"
#include "device/open.h"

namespace assay {

double LogitSummary::nll() const {
  return std::log(sum) + static_cast<double>(max) - static_cast<double>(target);
}

std::unique_ptr<Device> open_device(const std::string& name, ThreadPool& pool) {
  if (name == "cpu") return open_cpu_device(pool);
  if (name == "cuda" || name.starts_with("cuda:")) return open_cuda_device(name, pool);
  fail("--device {}: no such device; known are cpu and cuda", name);
}

}  // namespace assay
