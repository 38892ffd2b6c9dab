#include "forward/streams.h"

#include <algorithm>
#include <cmath>

#include "forward/project.h"

namespace assay {

namespace {

/// Of each row of a dense matrix, at least `floor`.
std::vector<double> mean_squares(Device& device, Matrix x, double floor) {
  std::vector<float> values(static_cast<size_t>(x.rows * x.cols));
  device.download(x.data, values);
  std::vector<double> means;
  for (auto row = values.begin(); row != values.end(); row += x.cols) {
    double sum = 0;
    for (auto v = row; v != row + x.cols; ++v) sum += static_cast<double>(*v) * *v;
    means.push_back(std::max(sum / static_cast<double>(x.cols), floor));
  }
  return means;
}

/// Brings each row of x to the root mean square that it has in `target`.
void match_magnitude(Device& device, Matrix x, const std::vector<double>& target) {
  constexpr double kFloor = 1e-5;
  const std::vector<double> own = mean_squares(device, x, kFloor);
  std::vector<float> factors;
  for (size_t r = 0; r < own.size(); ++r) factors.push_back(static_cast<float>(std::sqrt(target[r] / own[r])));
  device.scale_rows(x, factors);
}

Matrix stream(Matrix x, int64_t index, int64_t width) {
  return {x.data + index * width, x.rows, width, x.stride};
}

}  // namespace

Streams::Streams(RunContext& context, const StreamsSpec& spec) {
  for (const LinearSpec& linear : spec.in) in_.emplace_back(context.store, linear, context.options.as_deployed);
  for (const LinearSpec& linear : spec.out) out_.emplace_back(context.store, linear, context.options.as_deployed);
}

Matrix Streams::spread(RunContext& context, Matrix x) const {
  Device& device = context.device;
  const int64_t count = static_cast<int64_t>(in_.size()) + 1;
  const Matrix wide = context.workspace.get("streams", x.rows, count * x.cols);
  const Matrix projected = context.workspace.get("stream", x.rows, x.cols);
  const std::vector<double> target = mean_squares(device, x, 0);
  device.copy(x, stream(wide, 0, x.cols));
  for (int64_t i = 1; i < count; ++i) {
    project(context, x, {{in_[static_cast<size_t>(i - 1)], projected}});
    match_magnitude(device, projected, target);
    device.copy(projected, stream(wide, i, x.cols));
  }
  return wide;
}

Matrix Streams::join(RunContext& context, Matrix x) const {
  Device& device = context.device;
  const int64_t count = static_cast<int64_t>(out_.size()) + 1, width = x.cols / count;
  const Matrix sum = context.workspace.get("joined", x.rows, width);
  const Matrix own = context.workspace.get("stream", x.rows, width);
  const Matrix projected = context.workspace.get("projected stream", x.rows, width);
  device.copy(stream(x, 0, width), sum);
  const std::vector<double> target = mean_squares(device, sum, 0);
  for (int64_t i = 1; i < count; ++i) {
    device.copy(stream(x, i, width), own);
    project(context, own, {{out_[static_cast<size_t>(i - 1)], projected}});
    match_magnitude(device, projected, target);
    device.add(projected, sum);
  }
  device.scale(1 / static_cast<float>(count), sum);
  return sum;
}

}  // namespace assay
