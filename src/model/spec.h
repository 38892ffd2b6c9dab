#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/linear_spec.h"
#include "model/mixers.h"

namespace assay {

/// Rotary embedding of the first `dims` components of a head; model/rope.h makes the tables.
struct RopeSpec {
  enum class Type : uint8_t { plain, linear, dynamic, llama3, yarn, longrope, proportional };
  Type type = Type::plain;
  bool interleaved = false;  ///< pairs (2i, 2i+1) instead of (i, i + dims/2)
  bool reversed = false;     ///< pairs turn the other way
  int64_t dims = 0;
  double theta = 10000;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  bool truncate = true;                              // yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;
  std::vector<double> short_factor, long_factor;          // longrope
  std::optional<double> short_magnitude, long_magnitude;  // longrope: attention factors, where each length has its own
  int64_t rotated_pairs = 0;                              // proportional: of dims / 2, the first ones
  int64_t max_positions = 0;                              // L
  int64_t original_max_positions = 0;                     // L0
};

/// `clamped_swiglu`: (min(max(up, -7), 7) + 1) * g * sigmoid(1.702 g), g = min(gate, 7). `xielu`: with the stored
/// alpha_p, alpha_n and beta, p x^2 + beta x for x > 0, else n (e^x - 1 - x) + beta x, where p = softplus(alpha_p) and
/// n = beta + softplus(alpha_n).
enum class Activation : uint8_t { silu, gelu, gelu_tanh, relu, relu2, clamped_swiglu, xielu };

/// Attention with linear biases: factor * slope * j is added to the scaled score of key j.
struct AlibiSpec {
  std::vector<double> slopes;  ///< of each head
  double factor = 1;
  bool bf16 = false;  ///< slope, j and their product are rounded to bf16
};

/// q *= 1 + beta * ln(1 + floor((position + shift) / length)).
struct QueryScaleSpec {
  double beta = 0;
  int64_t length = 1, shift = 0;
};

struct AttentionSpec {
  std::string module;     ///< "model.layers.0.self_attn", where KV scales stand
  LinearSpec q, k, v, o;  ///< without v, it is made of what k gives; without either, both are those of `takes_kv`
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::vector<NormSpec> q_norm, k_norm;  ///< none, one (for a head or the whole projection), or one for each head
  NormSpec v_norm;                       ///< for a head
  bool norm_after_rope = false;
  double clip = 0;  ///< q, k and v are clamped to [-clip, clip], after the norm before rope; 0 = not
  int rope = -1;    ///< index into ModelSpec::ropes, -1 = none
  std::optional<QueryScaleSpec> query_scale;
  double scale = 0;    ///< of the scores
  double softcap = 0;  ///< score = softcap * tanh(score / softcap); 0 = not
  std::optional<AlibiSpec> alibi;
  int64_t window = 0;     ///< keys visible to a query, itself included; 0 = all before it
  int64_t chunk = 0;      ///< queries see keys of their own chunk of this many positions only; 0 = all
  int64_t keeps_kv = -1;  ///< this layer's index, where later layers use its k and v
  int64_t takes_kv = -1;  ///< index of the layer whose k and v are used
  std::string sinks;      ///< stored tensor [heads]: a logit that takes part in each softmax and is then dropped
  NormSpec output_norm;   ///< of what goes into o
  std::optional<LinearSpec> gate;  ///< [heads * head_dim, hidden]: what goes into o is multiplied by its sigmoid

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    visit(q);
    if (gate) visit(*gate);
    if (k) visit(k);
    if (v) visit(v);
    visit(o);
  }
};

/// Both at once: attention(m x) + mamba(m' x).
struct HybridSpec {
  std::string module;  ///< of the attention
  AttentionSpec attention;
  Mamba2Spec mamba;
  double attention_multiplier = 1, mamba_multiplier = 1;

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    attention.for_each_linear(visit);
    mamba.for_each_linear(visit);
  }
};

struct MlpSpec {
  Activation activation = Activation::silu;
  std::optional<LinearSpec> gate;
  LinearSpec up, down;  ///< down(act(gate(x)) * up(x)), or down(act(up(x)))
  /// Where it is there, the gate is max(gate - mean - sparsity * deviation, 0) before it is activated, with mean and
  /// standard deviation over its row.
  std::optional<double> sparsity = {};
  NormSpec inner_norm = {};            ///< of what goes into down
  std::string activation_module = {};  ///< where the parameters of xielu are stored

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    if (gate) visit(*gate);
    visit(up);
    visit(down);
  }
};

/// From the router's logits to the chosen experts and their weights, all in float32.
struct RoutingSpec {
  /// Of all experts. `sparsemixer`: two experts, each with its softmax over the logits that are near enough to the
  /// largest one left; see forward/routing.h.
  enum class Scores : uint8_t { softmax, sigmoid, sparsemixer };
  /// Only experts of the best groups can be chosen: by their best expert, or by the sum of their two best.
  enum class GroupScore : uint8_t { best, two_best };

  Scores scores = Scores::softmax;
  int64_t top_k = 0;
  std::string bias;  ///< stored tensor of a value for each expert, added to the scores for choosing only
  int64_t groups = 1, top_groups = 1;
  GroupScore group_score = GroupScore::best;
  bool renormalize = true;  ///< weights /= max(their norm + norm_epsilon, norm_floor)
  double norm_order = 1, norm_epsilon = 0, norm_floor = 0;
  double scale = 1;          ///< of the weights
  bool scale_input = false;  ///< an expert's input is multiplied by its weight, not its output
  std::string expert_scale;  ///< stored tensor of a factor for each expert's weight, or empty
  double jitter = 0;         ///< sparsemixer: largest relative distance / 2 from the best logit
};

struct MoeSpec {
  LinearSpec router;
  RoutingSpec routing;
  std::vector<MlpSpec> experts;
  std::optional<MlpSpec> shared;          ///< sees every token
  std::optional<LinearSpec> shared_gate;  ///< [1, hidden]: its sigmoid is the shared expert's weight
  /// Where they are there, router and experts see what these make of the stream, not the branch's input.
  NormSpec router_norm, expert_norm;
  NormSpec expert_output_norm, shared_output_norm;  ///< of the experts' sum, of the shared expert's output

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    visit(router);
    for (const MlpSpec& expert : experts) expert.for_each_linear(visit);
    if (shared) shared->for_each_linear(visit);
    if (shared_gate) visit(*shared_gate);
  }
};

/// How a branch f stands in the residual stream. With h = input_norm(x) and r = x, or h if `from_normed`:
/// x = sum_norm(carry * r + scale * output_norm(f(h))).
struct BranchSpec {
  NormSpec input_norm, output_norm, sum_norm;
  bool from_normed = false;
  double carry = 1, scale = 1;
};

/// What mixes tokens, and what works on each of them alone. Each alternative has for_each_linear(), a part in forward/
/// and nothing else.
using MixerSpec = std::variant<AttentionSpec, LatentAttentionSpec, DeltaNetSpec, MambaSpec, Mamba2Spec, HybridSpec,
                               ShortConvSpec, LightningSpec, NoMixerSpec>;
using FeedForwardSpec = std::variant<std::monostate, MlpSpec, MoeSpec>;

/// What a layer takes of a token beside the stream: x += norm(project(act(gate(x)) * input)).
struct LayerInputSpec {
  int64_t layer = 0;
  Activation activation = Activation::silu;
  LinearSpec gate, project;
  NormSpec norm;

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    visit(gate);
    visit(project);
  }
};

/// Where these inputs come from, `width` components for each layer:
/// (norm(project(embedded token)) + multiplier * embedding[id]) / sqrt(2).
struct LayerInputsSpec {
  int64_t layers = 0, width = 0, vocab = 0;
  std::string embedding;             ///< module, [vocab, layers * width]
  std::string embedding_dense_name;  ///< as LinearSpec::dense_name
  double multiplier = 1;
  LinearSpec project;
  NormSpec norm;
};

/// A layer that keeps several streams h, of which attention and MLP work on the active one. With
/// m(x) = tanh(router(router_norm(x))): p[j] = h[j] + sum over i of predict(m(h[active]))[j, i] * h[i]; then
/// n = mixer norm(p[active]), y = (p[active] + mixer branch + n + laurel_norm(laurel_right(laurel_left(n)))) / sqrt(2),
/// y += MLP branch, and h[j] = p[j] + (y - p[active]) * (correct(m(y))[j] + 1). All but the first get the layer's own
/// input, made of h[active] * output_scale.
struct AltupSpec {
  int64_t streams = 0, active = 0;
  NormSpec router_norm, laurel_norm;
  LinearSpec router, predict, correct, laurel_left, laurel_right;
  std::string output_scale;  ///< stored tensor [hidden], or empty

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    for (const LinearSpec* linear : {&router, &predict, &laurel_left, &laurel_right, &correct}) visit(*linear);
  }
};

/// Streams of an embedded token: itself, and in[i](x) with its magnitude; after the layers, the mean of the first and
/// of out[i](stream i + 1) with the magnitude of the first.
struct StreamsSpec {
  std::vector<LinearSpec> in, out;
  int64_t count() const { return static_cast<int64_t>(in.size()) + 1; }
};

/// The mixer's branch, then that of the feed-forward part.
struct LayerSpec {
  std::string module;  ///< "model.layers.0"
  BranchSpec mixer_branch, mlp_branch;
  MixerSpec mixer;
  FeedForwardSpec mlp;
  std::optional<AltupSpec> altup;
  std::optional<LayerInputSpec> layer_input;
  std::string output_scale;  ///< stored tensor [1] that multiplies the layer's output, or empty
  bool parallel = false;     ///< both see the layer's input: x += mixer(norm(x)) + mlp(norm'(x))

  /// Whether mixer and MLP cannot run one after the other.
  bool one_block() const { return parallel || altup.has_value(); }
  const AttentionSpec& attention() const { return std::get<AttentionSpec>(mixer); }
  AttentionSpec& attention() { return std::get<AttentionSpec>(mixer); }
};

/// What becomes of an embedded token: x = norm(multiplier * project(embedding[id]) + positions[position + offset]).
struct InputSpec {
  double multiplier = 1;
  std::optional<LinearSpec> project;  ///< [hidden, width of the embedding]
  std::string positions;              ///< module [position_rows, hidden] of learned positions, or empty
  int64_t position_rows = 0, position_offset = 0;
  NormSpec norm;
};

/// One decoder-only language model: sizes, maths and stored names, complete: the forward pass looks at nothing else.
struct ModelSpec {
  std::string architecture;  ///< model_type
  int64_t vocab = 0, hidden = 0;
  int64_t max_positions = 0;
  std::string embedding;             ///< module, [vocab, hidden]
  std::string embedding_dense_name;  ///< as LinearSpec::dense_name
  InputSpec input;
  NormSpec final_norm;                ///< of the last layer's output
  std::optional<LinearSpec> project;  ///< of that, where the head is narrower than the model
  LinearSpec head;                    ///< the embedding's module when tied
  bool tied = false;
  double logit_multiplier = 1, logit_softcap = 0;  ///< logit = softcap * tanh(multiplier * logit / softcap)
  std::vector<RopeSpec> ropes;
  std::optional<LayerInputsSpec> layer_inputs;
  std::optional<StreamsSpec> streams;
  std::vector<LayerSpec> layers;
  std::vector<std::string> notes;

  /// Floats of a token between two layers.
  int64_t stream_width() const { return streams ? streams->count() * hidden : hidden; }
};

}  // namespace assay
