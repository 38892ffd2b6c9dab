#pragma once
#include <memory>
#include <string>

#include "device/device.h"

namespace assay {

std::unique_ptr<Device> open_cpu_device(ThreadPool& pool);
/// `name` is "cuda" or "cuda:N".
std::unique_ptr<Device> open_cuda_device(const std::string& name, ThreadPool& pool);

}  // namespace assay
