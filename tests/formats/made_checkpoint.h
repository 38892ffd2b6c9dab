#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/checkpoint.h"
#include "formats/format.h"
#include "support/safetensors_writer.h"

namespace assay::test {

/// A checkpoint on disk with a quantization config and a few tensors.
class MadeCheckpoint {
 public:
  MadeCheckpoint(const std::string& quantization_config, const SafetensorsWriter& tensors) {
    write_text(dir_ / "config.json",
               quantization_config.empty() ? "{}" : R"({"quantization_config":)" + quantization_config + "}");
    tensors.save(dir_ / "model.safetensors");
    checkpoint_.emplace(Checkpoint::open(dir_.path()));
    config_.emplace(QuantConfig::of(*checkpoint_));
  }

  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const QuantConfig& config() const { return *config_; }
  Module module(const std::string& name, Module::Kind kind = Module::Kind::linear) const {
    return {*checkpoint_, *config_, name, kind};
  }
  std::unique_ptr<StoredWeight> open(const std::string& name, Module::Kind kind = Module::Kind::linear) const {
    return open_weight(module(name, kind));
  }
  std::vector<float> decode(const std::string& name) const {
    const auto weight = open(name);
    std::vector<float> values(weight->rows() * weight->cols());
    weight->decode(0, weight->rows(), values.data());
    return values;
  }

 private:
  TempDir dir_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<QuantConfig> config_;
};

/// A compressed-tensors config with one group for all Linear modules.
inline std::string one_group(const std::string& weights, const std::string& rest = "") {
  return R"({"quant_method":"compressed-tensors","config_groups":{"group_0":{"targets":["Linear"],"weights":)" +
         weights + rest + "}}}";
}

}  // namespace assay::test
