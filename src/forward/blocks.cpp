#include "forward/blocks.h"

#include <optional>

#include "base/error.h"
#include "forward/altup.h"
#include "forward/attention.h"
#include "forward/delta_net.h"
#include "forward/hybrid.h"
#include "forward/latent_attention.h"
#include "forward/layer_input.h"
#include "forward/lightning.h"
#include "forward/mamba.h"
#include "forward/mlp.h"
#include "forward/short_conv.h"

namespace assay {

namespace {

class MlpBody : public Body {
 public:
  MlpBody(RunContext& context, const MlpSpec& spec) : mlp_(context, spec) {}
  void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const override {
    mlp_.run(context, h, y, accumulate, context.length);
  }

 private:
  Mlp mlp_;
};

class NoMixer : public Body {
 public:
  void run(RunContext&, Matrix, Matrix, bool accumulate) const override { ASSAY_CHECK(accumulate); }
};

struct Part {
  Branch branch;
  std::unique_ptr<Body> body;

  void run(RunContext& context, Matrix x, Matrix h) const {
    if (branch.plain()) return body->run(context, h, x, true);
    const Matrix y = context.workspace.get("branch", x.rows, x.cols);
    body->run(context, h, y, false);
    branch.join(context, x, h, y);
  }
};

Part mixer_of(RunContext& context, const LayerSpec& layer) {
  return {Branch(context.store, layer.mixer_branch),
          std::visit([&](const auto& spec) { return make_body(context, spec); }, layer.mixer)};
}

Part mlp_of(RunContext& context, const LayerSpec& layer) {
  return {Branch(context.store, layer.mlp_branch), make_body(context, std::get<MlpSpec>(layer.mlp))};
}

class SingleBlock : public LayerBlock {
 public:
  explicit SingleBlock(Part part) : part_(std::move(part)) {}
  void run(RunContext& context, Matrix x) const override {
    part_.run(context, x, part_.branch.input(context, "normed", x));
  }

 private:
  Part part_;
};

/// Both branches work on the input of the layer.
class ParallelBlock : public LayerBlock {
 public:
  ParallelBlock(Part mixer, Part mlp) : mixer_(std::move(mixer)), mlp_(std::move(mlp)) {
    ASSAY_CHECK(mixer_.branch.spec().input_norm && mlp_.branch.spec().input_norm);
  }

  void run(RunContext& context, Matrix x) const override {
    const Matrix h = mixer_.branch.input(context, "normed", x);
    const bool same = mixer_.branch.spec().input_norm == mlp_.branch.spec().input_norm;
    const Matrix mlp_h = same ? h : mlp_.branch.input(context, "normed again", x);
    mixer_.run(context, x, h);
    mlp_.run(context, x, mlp_h);
  }

 private:
  Part mixer_, mlp_;
};

/// The layer's own input of each token, and a factor.
class TailBlock : public LayerBlock {
 public:
  TailBlock(RunContext& context, const LayerSpec& layer, bool own_input) {
    if (own_input) input_.emplace(context, *layer.layer_input);
    if (!layer.output_scale.empty()) scale_ = context.store.values(layer.output_scale, 1).front();
  }
  void run(RunContext& context, Matrix x) const override {
    if (input_) {
      const Matrix y = context.workspace.get("branch", x.rows, x.cols);
      input_->run(context, x, y);
      context.device.add(y, x);
    }
    if (scale_ != 1) context.device.scale(scale_, x);
  }

 private:
  std::optional<LayerInput> input_;
  float scale_ = 1;
};

}  // namespace

std::unique_ptr<Body> make_body(RunContext& context, const AttentionSpec& spec) {
  return std::make_unique<Attention>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const LatentAttentionSpec& spec) {
  return std::make_unique<LatentAttention>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const DeltaNetSpec& spec) {
  return std::make_unique<DeltaNet>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const MambaSpec& spec) {
  return std::make_unique<Mamba>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const Mamba2Spec& spec) {
  return std::make_unique<Mamba2>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const HybridSpec& spec) {
  return std::make_unique<Hybrid>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const ShortConvSpec& spec) {
  return std::make_unique<ShortConv>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext& context, const LightningSpec& spec) {
  return std::make_unique<Lightning>(context, spec);
}
std::unique_ptr<Body> make_body(RunContext&, const NoMixerSpec&) {
  return std::make_unique<NoMixer>();
}
std::unique_ptr<Body> make_body(RunContext& context, const MlpSpec& spec) {
  return std::make_unique<MlpBody>(context, spec);
}

std::unique_ptr<LayerBlock> make_mixer_block(RunContext& context, const LayerSpec& layer) {
  if (layer.altup) return std::make_unique<AltupBlock>(context, layer);
  if (!layer.parallel) return std::make_unique<SingleBlock>(mixer_of(context, layer));
  return std::make_unique<ParallelBlock>(mixer_of(context, layer), mlp_of(context, layer));
}
std::unique_ptr<LayerBlock> make_mlp_block(RunContext& context, const LayerSpec& layer) {
  return std::make_unique<SingleBlock>(mlp_of(context, layer));
}
std::unique_ptr<LayerBlock> make_tail_block(RunContext& context, const LayerSpec& layer) {
  const bool own_input = layer.layer_input && !layer.altup;
  if (!own_input && layer.output_scale.empty()) return nullptr;
  return std::make_unique<TailBlock>(context, layer, own_input);
}

}  // namespace assay
