#include "device/device.h"

#include <cmath>

#include "base/error.h"
#include "device/open.h"

namespace assay {

double LogitSummary::log_sum() const {
  return std::log(sum) + static_cast<double>(max);
}

double LogitSummary::nll() const {
  return log_sum() - static_cast<double>(target);
}

// With G = gain / mass: ln sum e^model - ln sum e^ref = ln(1 + G) + (max model - max ref), and the maxima cancel.
double LogitComparison::kld() const {
  const double g = gain / mass;
  return curve / mass + (std::log1p(g) - g);
}

double LogitComparison::reverse_kld() const {
  const double g = gain / mass;
  return (tilt - curve) / (mass + gain) + (g / (1 + g) - std::log1p(g));
}

std::unique_ptr<Device> open_device(const std::string& name, ThreadPool& pool) {
  if (name == "cpu") return open_cpu_device(pool);
  if (name == "cuda" || name.starts_with("cuda:")) return open_cuda_device(name, pool);
  fail("--device {}: no such device; known are cpu and cuda", name);
}

}  // namespace assay
