#include "forward/logit_files.h"

#include <algorithm>

#include "base/error.h"
#include "formats/shared/reading.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

constexpr size_t kOpenFiles = 16;

}  // namespace

LogitFiles::LogitFiles(fs::path path, int64_t rows, int64_t positions)
    : path_(std::move(path)), rows_(rows), positions_(positions) {
  std::error_code error;
  if (!fs::is_directory(path_, error)) all_ = std::make_unique<Checkpoint>(Checkpoint::open(path_));
  for (int64_t row = 0; row < rows_; ++row) {
    const StoredTensor& tensor = *place_of(row).tensor;
    const int64_t vocab = tensor.shape.empty() ? 0 : tensor.shape.back();
    const bool stacked = all_ && tensor.name == "tensor";
    if (!is_float(tensor.dtype) || vocab < 1 || (vocab_ > 0 && vocab != vocab_) ||
        tensor.elements() / vocab != (stacked ? rows_ : 1) * positions_) {
      fail("{}: row {}: expected {} positions of logits, found {}: these files belong to other rows", path_.string(),
           row, positions_, tensor.describe());
    }
    vocab_ = vocab;
  }
}

const Checkpoint& LogitFiles::open_row(int64_t row) {
  const auto known = std::find_if(latest_.begin(), latest_.end(), [&](const auto& file) { return file.first == row; });
  if (known != latest_.end()) {
    latest_.splice(latest_.begin(), latest_, known);
  } else {
    const fs::path file = path_ / fmt::format("row_{:06}.safetensors", row);
    std::error_code error;
    if (!fs::is_regular_file(file, error)) {
      fail("{}: no logits of row {}: there is neither {} nor a file with all rows of that name", path_.string(), row,
           file.filename().string());
    }
    latest_.emplace_front(row, Checkpoint::open(file));
    if (latest_.size() > kOpenFiles) latest_.pop_back();
  }
  return latest_.front().second;
}

LogitFiles::Place LogitFiles::place_of(int64_t row) {
  if (!all_) {
    const Checkpoint& file = open_row(row);
    return {&file, &file.at("tensor"), 0};
  }
  if (const StoredTensor* own = all_->find(fmt::format("tensor.{}", row))) return {all_.get(), own, 0};
  const StoredTensor* stacked = all_->find("tensor");
  if (!stacked)
    fail("{}: no logits of row {}: there is neither a tensor \"tensor.{}\" nor \"tensor\"", path_.string(), row, row);
  return {all_.get(), stacked, row * positions_};
}

void LogitFiles::read(int64_t row, int64_t position, int64_t first_id, std::span<float> out) {
  ASSAY_CHECK(row >= 0 && row < rows_ && position >= 0 && position < positions_);
  ASSAY_CHECK(first_id >= 0 && first_id + std::ssize(out) <= vocab_);
  const Place place = place_of(row);
  const int64_t first = (place.first + position) * vocab_ + first_id;
  const std::vector<float> values =
      read_values(*place.file, *place.tensor, place.tensor->dtype, first, std::ssize(out));
  std::copy(values.begin(), values.end(), out.begin());
}

}  // namespace assay
