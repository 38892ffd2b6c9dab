#pragma once
#include <memory>
#include <vector>

#include "forward/branch.h"
#include "forward/context.h"

namespace assay {

/// The inside of a branch, its weights on the device.
class Body {
 public:
  virtual ~Body() = default;
  /// y = f(h), or y += f(h), for whole sequences; h [sequences * length, hidden] stays as it is unless it is y.
  virtual void run(RunContext& context, Matrix h, Matrix y, bool accumulate) const = 0;
};

/// The body of a mixer, or of a feed-forward part that is no mixture of experts.
std::unique_ptr<Body> make_body(RunContext& context, const AttentionSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const LatentAttentionSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const DeltaNetSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const MambaSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const Mamba2Spec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const HybridSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const ShortConvSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const LightningSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const NoMixerSpec& spec);
std::unique_ptr<Body> make_body(RunContext& context, const MlpSpec& spec);

/// What is decoded at once and run on one chunk of rows after the other: one branch of a layer, or two parallel ones.
class LayerBlock {
 public:
  virtual ~LayerBlock() = default;
  /// x [sequences * length, hidden], in place.
  virtual void run(RunContext& context, Matrix x) const = 0;
};

/// The mixer's block, which holds the feed-forward part too where the layer is one block.
std::unique_ptr<LayerBlock> make_mixer_block(RunContext& context, const LayerSpec& layer);
std::unique_ptr<LayerBlock> make_mlp_block(RunContext& context, const LayerSpec& layer);
/// What is done to the sum of both, null where that is nothing.
std::unique_ptr<LayerBlock> make_tail_block(RunContext& context, const LayerSpec& layer);

}  // namespace assay
