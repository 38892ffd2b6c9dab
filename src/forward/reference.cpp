#include "forward/reference.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/writer.h"
#include "formats/shared/reading.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

constexpr int kVersion = 1;
constexpr int64_t kTop = TopLogits::kCount;
constexpr int64_t kRowsAtOnce = 1024;

/// Dense heads are kept as they are stored, the others as decoded.
DType dtype_of_head(const StoredWeight& head) {
  if (head.format() == "dense/bf16") return DType::BF16;
  return head.format() == "dense/f16" ? DType::F16 : DType::F32;
}

template <class T>
PlainTensor values(const char* name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& data) {
  ASSAY_CHECK(bits_of(dtype) == 8 * int{sizeof(T)});
  const auto rows = static_cast<int64_t>(data.size());
  return {name, dtype, std::move(shape), rows, sizeof(T), rows, [&data](int64_t begin, int64_t end, std::byte* out) {
            std::memcpy(out, data.data() + begin, static_cast<size_t>(end - begin) * sizeof(T));
          }};
}

PlainTensor float_rows(const char* name, DType dtype, int64_t rows, int64_t cols,
                       std::function<void(int64_t begin, int64_t end, float* out)> fill) {
  const int64_t row_bytes = cols * (bits_of(dtype) / 8);
  return {name,
          dtype,
          {rows, cols},
          rows,
          row_bytes,
          kRowsAtOnce,
          [=, fill = std::move(fill)](int64_t begin, int64_t end, std::byte* out) {
            std::vector<float> decoded(static_cast<size_t>((end - begin) * cols));
            fill(begin, end, decoded.data());
            store_floats(decoded, dtype, out);
          }};
}

}  // namespace

void Reference::write(const fs::path& folder, const Content& content, const std::function<void(double)>& progress) {
  const int64_t n = content.positions, width = content.head->cols();
  ASSAY_CHECK(std::ssize(content.top) == n && std::ssize(content.log_sum) == n && std::ssize(content.target) == n);
  std::vector<int32_t> ids;
  std::vector<float> logits;
  for (const TopLogits& top : content.top) {
    ids.insert(ids.end(), top.id.begin(), top.id.end());
    logits.insert(logits.end(), top.logit.begin(), top.logit.end());
  }
  std::vector<PlainTensor> tensors = {
      float_rows("hidden", DType::F32, n, width,
                 [&](int64_t begin, int64_t end, float* out) { content.hidden(begin, end - begin, out); }),
      float_rows("head.weight", dtype_of_head(*content.head), content.vocab, width,
                 [&](int64_t begin, int64_t end, float* out) {
                   content.head->decode(content.first_row + begin, content.first_row + end, out);
                 }),
      values("top_ids", DType::I32, {n, kTop}, ids),
      values("top_logits", DType::F32, {n, kTop}, logits),
      values("log_sum", DType::F64, {n}, content.log_sum),
      values("target", DType::F32, {n}, content.target)};
  std::vector<float> bias;
  if (!content.bias.empty()) {
    bias.assign(content.bias.begin() + content.first_row, content.bias.begin() + content.first_row + content.vocab);
    tensors.push_back(values("head.bias", DType::F32, {content.vocab}, bias));
  }
  CheckpointWriter writer(folder);
  writer.write_tensors(tensors, UINT64_MAX, progress);
  const Json config = {{"model_type", "assay_reference"},
                       {"version", kVersion},
                       {"precision", content.precision == Precision::bf16 ? "bf16" : "f32"},
                       {"logit_multiplier", content.logit_multiplier},
                       {"logit_softcap", content.logit_softcap}};
  writer.write_text("config.json", config.dump(2) + "\n");
  writer.commit();
}

Reference Reference::open(const fs::path& folder) {
  Reference reference;
  reference.checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(folder));
  const Checkpoint& checkpoint = *reference.checkpoint_;
  const JsonObject config(checkpoint.config(), (folder / "config.json").string());
  if (config.string_or("model_type", "") != "assay_reference" || config.integer("version") != kVersion)
    fail("{}: not a reference of this version of assay", folder.string());
  reference.precision_ = config.string_or("precision", "") == "bf16" ? Precision::bf16 : Precision::f32;
  reference.logit_multiplier_ = config.number_or("logit_multiplier", 1);
  reference.logit_softcap_ = config.number_or("logit_softcap", 0);
  reference.config_ = std::make_unique<QuantConfig>(QuantConfig::of(checkpoint));
  reference.head_ = open_weight(Module(checkpoint, *reference.config_, "head"));
  reference.hidden_ = &checkpoint.at("hidden");
  const auto expect = [&](const char* name, DType dtype, const std::vector<int64_t>& shape) -> const StoredTensor& {
    const StoredTensor& tensor = checkpoint.at(name);
    if (tensor.dtype != dtype || tensor.shape != shape)
      fail("{}: {} does not fit the other tensors of this reference: {}", folder.string(), name, tensor.describe());
    return tensor;
  };
  const int64_t n = reference.positions_ = reference.hidden_->shape.empty() ? 0 : reference.hidden_->shape[0];
  expect("hidden", DType::F32, {n, reference.width()});
  if (checkpoint.find("head.bias"))
    reference.bias_ = read_elements<float>(checkpoint, expect("head.bias", DType::F32, {reference.vocab()}));
  const auto ids = read_elements<int32_t>(checkpoint, expect("top_ids", DType::I32, {n, kTop}));
  const auto logits = read_elements<float>(checkpoint, expect("top_logits", DType::F32, {n, kTop}));
  reference.log_sum_ = read_elements<double>(checkpoint, expect("log_sum", DType::F64, {n}));
  reference.target_ = read_elements<float>(checkpoint, expect("target", DType::F32, {n}));
  reference.top_.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n * kTop; ++i) {
    reference.top_[i / kTop].id[i % kTop] = ids[i];
    reference.top_[i / kTop].logit[i % kTop] = logits[i];
  }
  return reference;
}

void Reference::read(int64_t first, int64_t count, std::span<float> out) const {
  ASSAY_CHECK(first >= 0 && count >= 0 && first + count <= positions_ && std::ssize(out) == count * width());
  checkpoint_->read(*hidden_, static_cast<uint64_t>(first * width()) * sizeof(float), std::as_writable_bytes(out));
}

void Reference::read_logits(int64_t first, int64_t count, int64_t first_id, int64_t ids, std::span<float> out) const {
  ASSAY_CHECK(first >= 0 && count >= 0 && first + count <= positions_ && std::ssize(out) == count * ids);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = first + i;
    const auto row = out.subspan(i * ids, ids);
    logits_->read(position / row_positions_, position % row_positions_, first_id, row);
    for (float& logit : row) logit = std::max(logit, -200.0f);  // as a device does; a NaN stays
  }
}

Reference Reference::of_logits(const fs::path& path, const Targets& targets) {
  Reference reference;
  reference.logits_ = std::make_unique<LogitFiles>(path, targets.rows, targets.positions);
  reference.row_positions_ = targets.positions;
  reference.positions_ = targets.rows * targets.positions;
  const int64_t vocab = reference.vocab();
  std::vector<float> logits(static_cast<size_t>(vocab));
  for (int64_t i = 0; i < reference.positions_; ++i) {
    reference.read_logits(i, 1, 0, vocab, logits);
    TopLogits& top = reference.top_.emplace_back();
    for (int64_t id = 0; id < vocab; ++id) top.offer(logits[id], static_cast<int32_t>(id));
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(top.logit[0]));
    if (!std::isfinite(sum)) {
      fail("{}: NaN or Inf among the logits of row {}, position {}", path.string(), i / targets.positions,
           i % targets.positions);
    }
    reference.log_sum_.push_back(std::log(sum) + static_cast<double>(top.logit[0]));
    const int64_t next = i / targets.positions * targets.length + targets.first + i % targets.positions + 1;
    const bool has_target = i % targets.positions + 1 < targets.positions && targets.ids[next] < vocab;
    reference.target_.push_back(has_target ? logits[targets.ids[next]] : 0);
  }
  return reference;
}

std::string Reference::summary_hash() const {
  ContentHash hash;
  hash.update(fmt::format("{} positions of {} logits\n", positions_, vocab()));
  for (const TopLogits& top : top_) {
    hash.update(top.id.data(), sizeof top.id);
    hash.update(top.logit.data(), sizeof top.logit);
  }
  hash.update(log_sum_.data(), log_sum_.size() * sizeof(double));
  return hash.hex();
}

double Reference::confidence(int64_t position) const {
  return std::exp(static_cast<double>(top_[position].logit[0]) - log_sum_[position]);
}

double Reference::target_probability(int64_t position) const {
  return std::exp(static_cast<double>(target_[position]) - log_sum_[position]);
}

}  // namespace assay
