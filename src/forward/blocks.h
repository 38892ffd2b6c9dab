#pragma once
#include <map>
#include <memory>
#include <string>

#include "forward/linear.h"
#include "model/rope.h"

namespace assay {

/// Wall time by stage, as seen by the main thread.
class StageTimes {
 public:
  /// Runs `work` and books its time under `stage`.
  template <class Work>
  auto time(const char* stage, Work&& work) {
    const Booking booking{*this, stage, now()};
    return work();
  }
  const std::map<std::string, double>& seconds() const { return seconds_; }

 private:
  struct Booking {
    StageTimes& times;
    const char* stage;
    double start;
    ~Booking() { times.seconds_[stage] += now() - start; }
  };
  static double now();
  std::map<std::string, double> seconds_;
};

/// What all blocks of one run share.
struct RunContext {
  Device& device;
  WeightStore& store;
  Workspace workspace;
  StageTimes times;
  const EvalOptions& options;
  int64_t length;                                       // of every sequence
  std::vector<RopeTable> ropes;                         // on the host
  std::vector<std::pair<Buffer, Buffer>> rope_buffers;  // cos, sin, [length, pairs]
};

/// A norm's parameters on the device.
class Norm {
 public:
  Norm() = default;
  Norm(WeightStore& store, const NormSpec& spec, int64_t width);
  void apply(Device& device, Matrix x, Matrix y) const;

 private:
  Buffer weight_;
  float eps_ = 0;
};

/// x += o(attention(q, k, v)) with q, k, v from norm(x).
class AttentionBlock {
 public:
  AttentionBlock(RunContext& context, const LayerSpec& layer);
  /// x [sequences * length, hidden], in place.
  void run(RunContext& context, Matrix x) const;

 private:
  void position(RunContext& context, Matrix x, const Norm& norm, bool has_norm, const Weight* transform,
                const ActivationQuant& quant) const;

  const AttentionSpec* spec_;
  Norm norm_, q_norm_, k_norm_;
  Buffer sinks_;
  Linear q_, k_, v_, o_;
  ActivationQuant q_quant_, k_quant_, v_quant_;
  std::shared_ptr<const Weight> q_transform_, k_transform_;
};

/// down(act(gate(x)) * up(x)).
class Mlp {
 public:
  Mlp(RunContext& context, const MlpSpec& spec);
  /// y = mlp(x), or y += mlp(x). `call`: as LinearInput::apply() has it.
  void run(RunContext& context, Matrix x, Matrix y, bool accumulate, int64_t call) const;

 private:
  Device::Gate activation_;
  Linear gate_, up_, down_;
};

/// x += mlp(norm(x)), for a layer with one MLP.
class MlpBlock {
 public:
  MlpBlock(RunContext& context, const LayerSpec& layer);
  void run(RunContext& context, Matrix x) const;

 private:
  Norm norm_;
  Mlp mlp_;
};

}  // namespace assay
