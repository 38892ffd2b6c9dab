#include "base/error.h"
#include "device/open.h"

namespace assay {

std::unique_ptr<Device> open_cuda_device(const std::string& name, ThreadPool&) {
  fail("--device {}: this assay was built without CUDA (CMake option ASSAY_CUDA); use --device cpu", name);
}

}  // namespace assay
