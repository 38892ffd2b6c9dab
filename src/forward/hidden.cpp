#include "forward/hidden.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace assay {

struct HiddenStates::File {
  int descriptor = -1;
  std::string folder;

  File() {
    folder = std::filesystem::temp_directory_path().string();
    std::string name = folder + "/assay-hidden-XXXXXX";
    descriptor = mkstemp(name.data());
    if (descriptor < 0) fail("{}: cannot create a temporary file for hidden states: {}", folder, std::strerror(errno));
    unlink(name.c_str());
  }
  ~File() { close(descriptor); }

  void transfer(bool write, void* data, size_t bytes, uint64_t offset) const {
    auto* at = static_cast<char*>(data);
    while (bytes > 0) {
      const auto place = static_cast<off_t>(offset);
      const ssize_t done = write ? pwrite(descriptor, at, bytes, place) : pread(descriptor, at, bytes, place);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) {
        fail("{}: cannot {} hidden states: {}; set TMPDIR to a folder with more room, or raise --memory", folder,
             write ? "write" : "read", done < 0 ? std::strerror(errno) : "the file ended early");
      }
      at += done;
      bytes -= static_cast<size_t>(done);
      offset += static_cast<uint64_t>(done);
    }
  }
};

HiddenStates::HiddenStates(Device& device, int64_t tokens, int64_t width, bool spill)
    : device_(&device), tokens_(tokens), width_(width) {
  if (spill) {
    file_ = std::make_unique<File>();
    if (ftruncate(file_->descriptor, static_cast<off_t>(tokens * width * int64_t{sizeof(float)})) != 0)
      fail("{}: cannot reserve room for hidden states: {}", file_->folder, std::strerror(errno));
  } else {
    memory_ = device.allocate(tokens * width);
  }
}
HiddenStates::~HiddenStates() = default;
HiddenStates::HiddenStates(HiddenStates&&) noexcept = default;

Matrix HiddenStates::get(int64_t first, int64_t count) {
  ASSAY_CHECK(first >= 0 && count >= 0 && first + count <= tokens_);
  if (!file_) return memory_.matrix(tokens_, width_).row_range(first, count);
  if (memory_.floats() < count * width_) memory_ = device_->allocate(count * width_);
  std::vector<float> host(static_cast<size_t>(count * width_));
  file_->transfer(false, host.data(), host.size() * sizeof(float),
                  static_cast<uint64_t>(first * width_) * sizeof(float));
  device_->upload(host, memory_.data());
  return memory_.matrix(count, width_);
}

void HiddenStates::put(int64_t first, Matrix rows) {
  ASSAY_CHECK(first >= 0 && first + rows.rows <= tokens_ && rows.cols == width_);
  if (!file_) {
    const Matrix place = memory_.matrix(tokens_, width_).row_range(first, rows.rows);
    if (place.data != rows.data) device_->copy(rows, place);
    return;
  }
  ASSAY_CHECK(rows.stride == width_);
  std::vector<float> host(static_cast<size_t>(rows.rows * width_));
  device_->download(rows.data, host);
  file_->transfer(true, host.data(), host.size() * sizeof(float),
                  static_cast<uint64_t>(first * width_) * sizeof(float));
}

void HiddenStates::gather(std::span<const int32_t> rows, Matrix out) {
  if (!file_) return device_->gather(memory_.matrix(tokens_, width_), rows, out);
  std::vector<float> host(rows.size() * static_cast<size_t>(width_));
  for (size_t i = 0; i < rows.size(); ++i) {
    file_->transfer(false, host.data() + i * width_, static_cast<size_t>(width_) * sizeof(float),
                    static_cast<uint64_t>(rows[i]) * static_cast<uint64_t>(width_) * sizeof(float));
  }
  device_->upload(host, out.data);
}

void HiddenStates::scatter_add(Matrix x, std::span<const int32_t> rows, std::span<const float> scale) {
  if (!file_) return device_->scatter_add(x, rows, scale, memory_.matrix(tokens_, width_));
  const Buffer scratch = device_->allocate(x.rows * width_);
  const Matrix sums = scratch.matrix(x.rows, width_);
  gather(rows, sums);
  std::vector<int32_t> in_place(rows.size());
  for (size_t i = 0; i < in_place.size(); ++i) in_place[i] = static_cast<int32_t>(i);
  device_->scatter_add(x, in_place, scale, sums);
  std::vector<float> host(static_cast<size_t>(x.rows * width_));
  device_->download(sums.data, host);
  for (size_t i = 0; i < rows.size(); ++i) write_row(rows[i], std::span(host).subspan(i * width_, width_));
}

void HiddenStates::write_row(int64_t row, std::span<const float> values) {
  ASSAY_CHECK(row >= 0 && row < tokens_ && static_cast<int64_t>(values.size()) == width_);
  if (!file_) return device_->upload(values, memory_.data() + row * width_);
  file_->transfer(true, const_cast<float*>(values.data()), values.size_bytes(),
                  static_cast<uint64_t>(row * width_) * sizeof(float));
}

void HiddenStates::zero() {
  const std::vector<float> nothing(static_cast<size_t>(width_));
  for (int64_t row = 0; row < tokens_; ++row) write_row(row, nothing);
}

}  // namespace assay
