#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "model/linear_spec.h"

namespace assay {

// What mixes tokens in place of plain attention. Channels of a convolution are the rows of the linears that feed it, in
// the order in which they stand here.

/// Attention whose k and v are made from a latent state [kv_rank] of each token. A head of q and k is
/// [nope_dim | rope_dim]; only the second part is rotated, and that of k is the same for all heads.
struct LatentAttentionSpec {
  std::string module;
  std::optional<LinearSpec> q_a;  ///< q = q(q_norm(q_a(x))), or q(x)
  NormSpec q_norm;
  LinearSpec q;         ///< [heads * (nope_dim + rope_dim), ...]
  LinearSpec kv_a;      ///< [kv_rank + rope_dim, hidden]: the latent state, then the part of k with positions
  NormSpec kv_norm;     ///< of the latent state
  LinearSpec k_b, v_b;  ///< from that, for each head nope_dim rows of k and value_dim rows of v
  LinearSpec o;
  int64_t heads = 0, nope_dim = 0, rope_dim = 0, value_dim = 0;
  int rope = 0;      ///< index into ModelSpec::ropes
  double scale = 0;  ///< of the scores

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    if (q_a) visit(*q_a);
    for (const LinearSpec* linear : {&q, &kv_a, &k_b, &v_b, &o}) visit(*linear);
  }
};

/// A depthwise causal convolution over `channels`, stored as [channels, 1, kernel].
struct ConvSpec {
  std::string weight, bias;  ///< stored tensors; the bias may be empty
  int64_t channels = 0, kernel = 0;
};

/// Linear attention by the gated delta rule: q, k and v are convolved with silu, q and k normalized,
/// S = g S + k (beta (v - (g S)^T k))^T with beta = sigmoid(b) and g = exp(-exp(a_log) softplus(a + dt_bias)),
/// x = out(norm(S^T q) * silu(z)).
struct DeltaNetSpec {
  std::string module;
  LinearSpec q, k, v, z, b, a, out;
  ConvSpec conv;
  std::string a_log, dt_bias;  ///< stored tensors [heads]
  NormSpec norm;               ///< over value_dim
  int64_t key_heads = 0, heads = 0, key_dim = 0, value_dim = 0;

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    for (const LinearSpec* linear : {&q, &k, &v, &z, &b, &a, &out}) visit(*linear);
  }
};

/// Mamba's selective state space: u = silu(conv(x)), dt = softplus(dt(dt_in(u))),
/// h = exp(-exp(a_log) dt) h + dt B u with B = b(u), y = out((C h + d u) * silu(gate)) with C = c(u).
struct MambaSpec {
  std::string module;
  LinearSpec x, gate;  ///< [channels, hidden]
  ConvSpec conv;
  LinearSpec dt_in, b, c;            ///< [rank, channels], [states, channels]
  NormSpec dt_norm, b_norm, c_norm;  ///< of what these give
  LinearSpec dt;                     ///< [channels, rank]
  std::string a_log, d;              ///< stored tensors [channels, states], [channels]
  LinearSpec out;

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    for (const LinearSpec* linear : {&x, &gate, &dt_in, &b, &c, &dt, &out}) visit(*linear);
  }
};

/// Its successor, with one decay for each head, which is linear attention: S = exp(-exp(a_log) dt) S + B (dt x)^T,
/// y = S^T C + d x, then out(norm(y * silu(gate))).
struct Mamba2Spec {
  std::string module;
  LinearSpec gate, x, b, c, dt, out;
  ConvSpec conv;                  ///< over x, b and c
  std::string a_log, dt_bias, d;  ///< stored tensors [heads]
  int64_t heads = 0, head_dim = 0, groups = 0, states = 0;
  double dt_low = 0, dt_high = std::numeric_limits<double>::infinity();
  std::vector<NormSpec> norms;  ///< none, or one for each part of the channels
  bool norm_before_gate = false;

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    for (const LinearSpec* linear : {&gate, &x, &b, &c, &dt, &out}) visit(*linear);
  }
};

/// out(c(x) * conv(b(x) * v(x))).
struct ShortConvSpec {
  std::string module;
  LinearSpec b, c, v, out;
  ConvSpec conv;

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    for (const LinearSpec* linear : {&b, &c, &v, &out}) visit(*linear);
  }
};

/// Of a layer that is nothing but its feed-forward part.
struct NoMixerSpec {
  std::string module;

  template <class Visit>
  void for_each_linear(Visit&&) const {}
};

/// Linear attention with a fixed decay for each head: q, k and v through silu, S = decay S + k v^T,
/// out(norm(S^T q) * sigmoid(gate)).
struct LightningSpec {
  std::string module;
  LinearSpec q, k, v, gate, out;
  NormSpec norm;  ///< over all heads
  int64_t heads = 0, head_dim = 0;
  std::vector<double> decay;  ///< of each head

  template <class Visit>
  void for_each_linear(Visit&& visit) const {
    for (const LinearSpec* linear : {&q, &k, &v, &gate, &out}) visit(*linear);
  }
};

}  // namespace assay
