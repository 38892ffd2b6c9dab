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
  double partial = 0;  ///< share of the head that rotates; 0: the whole head, which no key changes
  bool interleaved = false;
  int64_t dims = 0;                  ///< components that rotate, where it is no share
  int64_t max_positions = 0;         ///< where the config calls them by another name
  const char* layer_type = nullptr;  ///< whose parameters to read, where a config has several
};

/// The rotary embedding of a head, from `rope_parameters` or from `rope_theta` and `rope_scaling`.
RopeSpec read_rope(Keys& keys, int64_t head_dim, const RopeDefaults& defaults = {});
/// Whether the config has rope parameters for layers of this type.
bool has_rope_of(Keys& keys, const char* layer_type);

/// "hidden_act" and the like.
Activation read_activation(Keys& keys, const char* key, const char* otherwise);

/// Window of each layer, 0 = none: by `layer_types` where the config has it, else by `slides(layer)`. A `window` of 0
/// means that the config has none.
std::vector<int64_t> read_windows(Keys& keys, int64_t layers, int64_t window,
                                  const std::function<bool(int64_t layer)>& slides);
/// Qwen's rule: `use_sliding_window`, then the layers from `max_window_layers` on.
std::vector<int64_t> read_qwen_windows(Keys& keys, int64_t layers);

/// Stored names, relative to the decoder and to the part that they belong to. Empty: not there.
struct Names {
  std::string plain = "model.";  ///< prefix of the decoder in a plain checkpoint
  std::string embedding = "embed_tokens", layers = "layers", final_norm = "norm";
  std::string attention = "self_attn", q = "q_proj", k = "k_proj", v = "v_proj", o = "o_proj";
  std::string qkv = "";  ///< one module instead of q, k and v
  std::string q_norm = "q_norm", k_norm = "k_norm";
  std::string mlp = "mlp", gate = "gate_proj", up = "up_proj", down = "down_proj";
  std::string gate_up = "";  ///< one module instead of gate and up, the gate's rows first
  std::string attention_norm = "input_layernorm", attention_output_norm = "";
  std::string mlp_norm = "post_attention_layernorm", mlp_output_norm = "";
};

/// Where a config says what, if not as Llama's does. The usual key counts too where the other is absent. Null: no key
/// can change it (sizes of MLPs, kv heads and epsilons).
struct DecoderKeys {
  const char* hidden = "hidden_size";
  const char* intermediate = "intermediate_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* kv_heads = "num_key_value_heads";
  const char* positions = "max_position_embeddings";
  const char* norm_eps = "rms_norm_eps";
  const char* activation = "hidden_act";
};

/// What holds where the config does not say. A size of 0 has to be said.
struct DecoderDefaults {
  double norm_eps = 1e-6;
  bool layer_norm = false, norm_bias = false;
  int64_t vocab = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;             ///< 0: heads
  int64_t head_dim = 0;             ///< 0: hidden / heads
  int64_t mlp_ratio = 0;            ///< intermediate / hidden
  const char* activation = "silu";  ///< null: the architecture has its own
  bool tied = false;
  bool has_rope = true;
  RopeDefaults rope = {};
  DecoderKeys keys = {};
  Names names = {};
};

/// Sizes and switches of a decoder. read_decoder() fills what the common keys say; an architecture sets the rest.
struct Decoder {
  Names names;
  int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0;
  int64_t max_positions = 0;
  Activation activation = Activation::silu;
  bool tied = false;
  NormStyle norm;

  std::vector<RopeSpec> ropes;   ///< read_decoder() makes the first
  std::vector<int> layer_ropes;  ///< of each layer, -1 = none; empty: the first for all, if there is one
  std::vector<int64_t> windows;  ///< of each layer; empty: none

  bool qkv_bias = false, o_bias = false, mlp_bias = false, head_bias = false;
  int64_t embedding_width = 0;  ///< 0: hidden
  bool gated = true;            ///< down(act(gate(x)) * up(x)), not down(act(up(x)))
  bool parallel = false;        ///< as LayerSpec has it

  /// Rows of a fused qkv: all of q, k, v one after the other, or for each kv head its queries, key and value.
  enum class Qkv : uint8_t { whole, by_kv_head };
  Qkv qkv_layout = Qkv::whole;
  /// Norm of q and k: one for all heads, a weight for each head, or over all heads at once.
  enum class QkNorm : uint8_t { none, head, each_head, all_heads };
  QkNorm qk_norm = QkNorm::none;
  NormStyle qk_norm_style;  ///< read_decoder() makes it `norm`

  double score_scale = 0;  ///< read_decoder() makes it 1 / sqrt(head_dim)
  double score_softcap = 0, clip_qkv = 0;
  double embedding_multiplier = 1, residual_multiplier = 1, logit_multiplier = 1, logit_softcap = 0;
};

Decoder read_decoder(Source& source, const DecoderDefaults& defaults = {});

/// Parts of a layer. `module` is relative to the decoder: "layers.0.mlp".
AttentionSpec attention(const Source& source, const Decoder& decoder, int64_t layer);
MlpSpec mlp(const Source& source, const Decoder& decoder, const std::string& module, int64_t intermediate);
LayerSpec decoder_layer(const Source& source, const Decoder& decoder, int64_t layer);
/// The same around another MLP, or another mixer too.
LayerSpec decoder_layer(const Source& source, const Decoder& decoder, int64_t layer, FeedForwardSpec mlp);
LayerSpec decoder_layer(const Source& source, const Decoder& decoder, int64_t layer, MixerSpec mixer,
                        FeedForwardSpec mlp);
/// "layers.0.mlp", or "layers.0" where `part` is empty.
std::string layer_name(const Decoder& decoder, int64_t layer, const std::string& part);

struct MoeShape {
  RoutingSpec routing;
  int64_t experts = 0, intermediate = 0;
  int64_t shared_intermediate = 0;  ///< 0: no shared expert
  std::string router = "gate", expert = "experts", up = "up_proj", down = "down_proj";
  std::string gate = "gate_proj";  ///< empty: MLPs without one
  std::string shared = "shared_experts", shared_gate;
  std::string router_bias;  ///< added to the scores for choosing
};

/// The number of experts, how many a token sees, and the size of an expert.
MoeShape read_moe(Keys& keys, const char* experts_key, const char* intermediate_key,
                  const char* top_k_key = "num_experts_per_tok");
/// The same of numbers at hand. Error unless they make sense together.
MoeShape make_moe(const Keys& keys, int64_t experts, int64_t top_k, int64_t intermediate);

/// Qwen's rule: which layers have experts, by `mlp_only_layers` and `decoder_sparse_step`.
std::vector<bool> read_sparse_layers(Keys& keys, int64_t layers);
/// The same by `mlp_layer_types` ("sparse" or "dense") where the config has it, else by `sparse(layer)`.
std::vector<bool> read_mlp_layer_types(Keys& keys, int64_t layers, const std::function<bool(int64_t layer)>& sparse);

/// Router and experts below `module`. Experts are stored one by one (experts.0.gate_proj) or stacked:
/// experts.gate_up_proj [experts, 2 * intermediate, hidden] with the gates first, experts.down_proj [experts, hidden,
/// intermediate].
MoeSpec moe(const Source& source, const Decoder& decoder, const std::string& module, const MoeShape& shape);
/// Expert `index` of stacks `gate_up` and `down` of that layout, which are tensors of these names.
MlpSpec stacked_expert(const Source& source, const Decoder& decoder, const std::string& gate_up,
                       const std::string& down, const std::string& dense_name, const MoeShape& shape, int64_t index);

/// The whole model; `layer` makes each layer, decoder_layer() where it is not given.
ModelSpec build(const Source& source, const Decoder& decoder, const std::function<LayerSpec(int64_t)>& layer = {});

}  // namespace assay
