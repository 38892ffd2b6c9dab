#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace assay {

/// y = x W^T + b. W is rows first_row, first_row + row_step, ... of a stored module: fused projections and stacked
/// experts have several parts. A stack may be stored transposed, as [stacks, in, stack_rows].
struct LinearSpec {
  std::string module;  ///< stored name without ".weight"
  int64_t out = 0, in = 0;
  int64_t first_row = 0, row_step = 1;
  int64_t stored_rows = 0;  ///< rows of the whole stored module
  int64_t stack_rows = 0;   ///< 0: not transposed
  std::string bias;         ///< stored tensor [stored_rows], or empty
  std::string dense_name;   ///< Hugging Face name of this part's weight in the plain model
};

struct NormSpec {
  enum class Kind : uint8_t { rms, layer };
  Kind kind = Kind::rms;
  double eps = 0;
  double weight_offset = 0;  ///< 1 where the stored weight is (w - 1)
  std::string weight, bias;  ///< stored tensor names, empty = none
};

/// Rotary embedding of the first `dims` components of a head; model/rope.h makes the tables.
struct RopeSpec {
  enum class Type : uint8_t { plain, linear, dynamic, llama3, yarn, longrope };
  Type type = Type::plain;
  bool interleaved = false;  ///< pairs (2i, 2i+1) instead of (i, i + dims/2)
  int64_t dims = 0;
  double theta = 10000;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  bool truncate = true;                              // yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;
  std::vector<double> short_factor, long_factor;  // longrope
  int64_t max_positions = 0;                      // L
  int64_t original_max_positions = 0;             // L0
};

/// `clamped_swiglu`: (min(max(up, -7), 7) + 1) * g * sigmoid(1.702 g), g = min(gate, 7).
enum class Activation : uint8_t { silu, gelu, gelu_tanh, relu, relu2, clamped_swiglu };

struct AttentionSpec {
  std::string module;  ///< "model.layers.0.self_attn", where KV scales stand
  LinearSpec q, k, v, o;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::optional<NormSpec> q_norm, k_norm;  ///< over head_dim, before rope
  int rope = -1;                           ///< index into ModelSpec::ropes, -1 = no positions
  double scale = 0;                        ///< of the scores
  int64_t window = 0;                      ///< keys visible to a query, itself included; 0 = all before it
  std::string sinks;  ///< stored tensor [heads]: a logit that takes part in each softmax and is then dropped
};

struct MlpSpec {
  Activation activation = Activation::silu;
  LinearSpec gate, up, down;  ///< down(act(gate(x)) * up(x))
};

struct MoeSpec {
  LinearSpec router;
  std::vector<MlpSpec> experts;
  int64_t top_k = 0;
  bool renormalize = true;  ///< softmax over all experts, then divide the chosen weights by their sum
};

/// x += attention(norm(x)); x += mlp(norm(x)).
struct LayerSpec {
  NormSpec attention_norm, mlp_norm;
  AttentionSpec attention;
  std::variant<MlpSpec, MoeSpec> mlp;
};

/// One decoder-only language model: sizes, maths and stored names, complete: the forward pass looks at nothing else.
struct ModelSpec {
  std::string architecture;  ///< model_type
  int64_t vocab = 0, hidden = 0;
  int64_t max_positions = 0;
  std::string embedding;             ///< module, [vocab, hidden]
  std::string embedding_dense_name;  ///< as LinearSpec::dense_name
  LinearSpec head;                   ///< the embedding's module when tied
  bool tied = false;
  NormSpec final_norm;
  std::vector<RopeSpec> ropes;
  std::vector<LayerSpec> layers;
  std::vector<std::string> notes;
};

}  // namespace assay
