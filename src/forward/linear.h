#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "device/device.h"
#include "forward/evaluate.h"

namespace assay {

/// Every stored weight of the model, opened and compared with the shapes that the spec wants before anything is run,
/// and the online transforms that modules share.
class WeightStore {
 public:
  WeightStore(const OpenModel& model, Device& device, Precision precision);

  const StoredWeight& of(const LinearSpec& spec) const;
  /// From here on the linear of this dense name is one of another model, until restore().
  void substitute(const std::string& dense_name, const WeightStore& other, const LinearSpec& spec);
  void restore() { substitutes_.clear(); }
  const StoredWeight& embedding() const { return *embedding_; }
  const OpenModel& model() const { return model_; }
  Device& device() const { return device_; }
  Precision precision() const { return precision_; }

  /// Shared by all modules that name the same matrix. Thread-safe.
  std::shared_ptr<const Weight> transform(const OnlineTransform& transform);
  /// A linear's own matrix, decoded and packed. Thread-safe.
  std::unique_ptr<Weight> prepare(const LinearSpec& spec, Precision precision) const;
  /// Its bias on the device; an empty buffer when it has none.
  Buffer bias(const LinearSpec& spec) const;
  Buffer to_device(const std::vector<float>& values) const;
  /// Which of `count` equal parts of a stored tensor.
  struct Part {
    int64_t index = 0, count = 1;
  };
  /// A stored vector of `count` values (norm weight, sinks) on the device, plus `offset`.
  Buffer vector(const std::string& name, int64_t count, double offset = 0, Part part = {0, 1}) const;
  /// A small stored tensor of `count` values in host memory.
  std::vector<float> values(const std::string& name, int64_t count) const;
  /// An embedding beside that of the tokens, opened and compared with the size that the model needs.
  const StoredWeight& positions() const { return *positions_; }
  const StoredWeight& layer_embedding() const { return *layer_embedding_; }

 private:
  const std::pair<const WeightStore*, LinearSpec>* substitute_of(const LinearSpec& spec) const;

  OpenModel model_;
  Device& device_;
  Precision precision_;
  std::unique_ptr<StoredWeight> embedding_, positions_, layer_embedding_;
  std::map<std::string, std::unique_ptr<StoredWeight>> weights_;
  std::map<std::string, std::pair<const WeightStore*, LinearSpec>> substitutes_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Weight>> transforms_;
};

/// Device memory that a step reuses from call to call, by purpose.
class Workspace {
 public:
  explicit Workspace(Device& device) : device_(device) {}
  Matrix get(const std::string& purpose, int64_t rows, int64_t cols);
  void clear() { buffers_.clear(); }

 private:
  Device& device_;
  std::map<std::string, Buffer> buffers_;
};

/// What a linear layer does to x before its product: rotation and quantization as the checkpoint declares them.
class LinearInput {
 public:
  LinearInput() = default;
  LinearInput(WeightStore& store, const StoredWeight& stored, bool as_deployed);

  /// x as the product sees it, in the workspace under `purpose`; x itself when there is nothing to do. `call`: rows
  /// that one call of the checkpoint's own library would see.
  Matrix apply(Device& device, Workspace& workspace, const std::string& purpose, Matrix x, int64_t call) const;
  bool operator==(const LinearInput&) const = default;

 private:
  std::shared_ptr<const Weight> transform_;
  ActivationQuant quant_;
};

/// One linear layer, decoded and on the device.
class Linear {
 public:
  Linear() = default;
  Linear(WeightStore& store, const LinearSpec& spec, bool as_deployed);

  const LinearInput& input() const { return input_; }
  int64_t out() const { return weight_->rows; }

  /// y = layer(x), or y += layer(x). `x` has been through input().
  void apply(Device& device, Workspace& workspace, Matrix x, Matrix y, bool accumulate) const;

 private:
  LinearInput input_;
  std::unique_ptr<Weight> weight_;
  Buffer bias_;
  float multiplier_ = 1;
  std::shared_ptr<const Weight> output_transform_;
  ActivationQuant output_quant_;
};

/// x [n, c] seen as [n * c / weight.cols, weight.cols], times the transform, into y.
void apply_transform(Device& device, const Weight& transform, Matrix x, Matrix y);

}  // namespace assay
