#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model/arch/source.h"
#include "model/spec.h"

namespace assay {

// What the files of this folder share. Each of them is one function that reads the keys of one model_type, states how
// it differs from the baseline (Llama) and calls build().

struct RopeDefaults {
  double theta = 10000;
  double partial = 1;  ///< share of the head that rotates
  bool interleaved = false;
};

/// The rotary embedding of a head, from `rope_parameters` or from `rope_theta` and `rope_scaling`.
RopeSpec read_rope(Keys& keys, int64_t head_dim, const RopeDefaults& defaults = {});

/// "hidden_act" and the like.
Activation read_activation(Keys& keys, const char* key, const char* otherwise);

/// Window of each layer, 0 = none: by `layer_types` where the config has it, else by `slides(layer)`. A `window` of 0
/// means that the config has none.
std::vector<int64_t> read_windows(Keys& keys, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides);
/// Qwen's rule: `use_sliding_window`, then the layers from `max_window_layers` on.
std::vector<int64_t> read_qwen_windows(Keys& keys, int64_t layers);

struct DecoderDefaults {
  double norm_eps = 1e-6;
  int64_t head_dim = 0;  ///< 0: hidden / heads
  bool tied = false;
  RopeDefaults rope = {};
};

/// Sizes and switches of a Llama-like decoder. read_decoder() fills what the common keys say; an architecture sets the
/// rest.
struct Decoder {
  int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0;
  int64_t max_positions = 0;
  double norm_eps = 0;
  Activation activation = Activation::silu;
  bool tied = false;
  RopeSpec rope;

  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;          ///< RMS norm of each head's q and k
  std::vector<int64_t> windows;  ///< of each layer; empty: none
};

Decoder read_decoder(Source& source, const DecoderDefaults& defaults = {});

/// Parts of a layer with Llama's names and maths. `module` is relative to the decoder: "layers.0.mlp".
AttentionSpec attention(const Source& source, const Decoder& decoder, int64_t layer);
MlpSpec gated_mlp(const Source& source, const Decoder& decoder, const std::string& module, int64_t intermediate);
LayerSpec decoder_layer(const Source& source, const Decoder& decoder, int64_t layer);
/// The same around another MLP.
LayerSpec decoder_layer(const Source& source, const Decoder& decoder, int64_t layer,
                        std::variant<MlpSpec, MoeSpec> mlp);

struct MoeShape {
  int64_t experts = 0, top_k = 0, intermediate = 0;
  bool renormalize = true;
  const char *gate = "gate_proj", *up = "up_proj", *down = "down_proj";
};

/// The number of experts, num_experts_per_tok, and the size of an expert.
MoeShape read_moe(Keys& keys, const char* experts_key, const char* intermediate_key);

/// Router `module`.gate, and experts stored one by one (`module`.experts.0.gate_proj) or stacked: experts.gate_up_proj
/// [experts, 2 * intermediate, hidden] with the gates first, experts.down_proj [experts, hidden, intermediate].
MoeSpec moe(const Source& source, const Decoder& decoder, const std::string& module, const MoeShape& shape);

/// The whole model; `layer` makes each layer, decoder_layer() where it is not given.
ModelSpec build(const Source& source, const Decoder& decoder, const std::function<LayerSpec(int64_t)>& layer = {});

}  // namespace assay
