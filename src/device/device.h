#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/parallel.h"
#include "formats/format.h"

namespace assay {

/// How matrix products round their operands; sums, norms, softmax and statistics are float32 or double in both.
enum class Precision : uint8_t { f32, bf16 };

/// A view of floats in device memory: element (r, c) at data[r * stride + c].
struct Matrix {
  float* data = nullptr;
  int64_t rows = 0, cols = 0;
  int64_t stride = 0;

  float* row(int64_t r) const { return data + r * stride; }
  Matrix row_range(int64_t first, int64_t count) const { return {row(first), count, cols, stride}; }
};

/// Owned device memory. Freed by the device that made it.
class Buffer {
 public:
  using Pointer = std::unique_ptr<float, std::function<void(float*)>>;
  Buffer() = default;
  Buffer(Pointer data, int64_t floats) : data_(std::move(data)), floats_(floats) {}
  float* data() const { return data_.get(); }
  int64_t floats() const { return floats_; }
  Matrix matrix(int64_t rows, int64_t cols) const { return {data_.get(), rows, cols, cols}; }

 private:
  Pointer data_;
  int64_t floats_ = 0;
};

/// From products to logits: softcap * tanh(multiplier * (product + bias) / softcap).
struct LogitShape {
  Buffer bias;           ///< of the weight's rows; empty: none
  float multiplier = 1;  ///< 1: not
  float softcap = 0;     ///< 0: not
};

/// A weight matrix [rows, cols] in the form that the device's matrix product wants.
class Weight {
 public:
  virtual ~Weight() = default;
  int64_t rows = 0, cols = 0;
  uint64_t bytes = 0;
  Precision precision = Precision::f32;  ///< of products with it
  LogitShape logits;                     ///< of a head's weight, for reduce_logits()
};

struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 0;
  int64_t window = 0;               ///< keys visible to a query, itself included; 0 = all before it
  const float* sinks = nullptr;     ///< [heads] on the device: a logit that takes part in each softmax, then dropped
  int64_t chunk = 0;                ///< queries see keys of their own chunk of this many positions only; 0 = all
  float softcap = 0;                ///< of the scaled scores: softcap * tanh(score / softcap); 0 = not
  const float* key_bias = nullptr;  ///< [heads, length] on the device, added to the scaled scores of each key
  int64_t value_dim = 0;            ///< components of v and out in each head; 0 = head_dim
};

/// `positive` x^2 + beta x for x > 0, else `negative` (e^x - 1 - x) + beta x.
struct XieluShape {
  float positive = 0, negative = 0, beta = 0;
};

/// Attention without a softmax: one matrix of state for each head, which every token decays, writes to and reads.
struct LinearAttentionShape {
  int64_t heads = 0, key_heads = 0;  ///< a key head serves heads / key_heads consecutive heads
  int64_t key_dim = 0, value_dim = 0;
  bool delta = false;           ///< what the state already says about k is subtracted from v
  const float* skip = nullptr;  ///< [heads] on the device: how much of v is added to out
};

/// Running reduction of one position's logits over vocabulary tiles.
struct LogitSummary {
  double sum = 0;  ///< of exp(logit - max)
  float max = -1e30f;
  float target = 0;        ///< logit of the target id
  int32_t top = -1;        ///< id of the largest logit, the lowest on ties
  bool finite = true;      ///< no NaN and no +Inf seen
  double log_sum() const;  ///< ln sum e^logit
  double nll() const;      ///< -log softmax(target), nats
};

/// The largest logits of one position, best first, the lowest id first on ties.
struct TopLogits {
  static constexpr int kCount = 10;
  std::array<float, kCount> logit;
  std::array<int32_t, kCount> id;
  TopLogits() { logit.fill(-1e30f), id.fill(-1); }

  /// Ids must be offered in ascending order.
  void offer(float value, int32_t of_id) {
    if (!(value > logit.back())) return;
    int place = kCount - 1;
    for (; place > 0 && value > logit[place - 1]; --place) {
      logit[place] = logit[place - 1];
      id[place] = id[place - 1];
    }
    logit[place] = value;
    id[place] = of_id;
  }
};

/// Running comparison of one position's logits with its reference's, folded over vocabulary tiles. With
/// w = exp(ref - max ref) and d = (model - max model) - (ref - max ref), both divergences are means under the same w of
/// terms that are of second order in d: a small divergence keeps its digits, and equal logits give exactly 0.
struct LogitComparison {
  double mass = 0;   ///< sum of w
  double gain = 0;   ///< sum of w (e^d - 1)
  double curve = 0;  ///< sum of w (e^d - 1 - d)
  double tilt = 0;   ///< sum of w (e^d - 1) d
  float reference_max = -1e30f, max = -1e30f;
  int32_t watched = -1;  ///< an id, usually the reference's favourite, or -1
  float threshold = 0;   ///< its logit in the model
  int32_t above = 0;     ///< how many other ids have a larger one

  double kld() const;          ///< KL(reference || model), nats
  double reverse_kld() const;  ///< KL(model || reference)
};

/// Where a tile of logits x W^T goes: one entry per row of x in each span.
struct LogitSinks {
  std::span<const int32_t> targets;  ///< the ids whose logits are wanted; -1 = none
  std::span<LogitSummary> summary;
  std::span<TopLogits> top = {};  ///< empty = not wanted

  std::span<LogitComparison> comparison = {};  ///< empty = no reference
  /// The reference's logits of the same ids, or of a part of them that begins with the same id, [rows, ids]; without
  /// columns, no id of the tile is compared.
  Matrix reference = {};
  /// A second pass over the same tiles, with every comparison complete: only these sums grow, the Jensen-Shannon
  /// divergence of each row. Empty = the first pass.
  std::span<double> jensen_shannon = {};
};

/// Everything that the forward pass asks of hardware. Operations are complete when they return. Results do not depend
/// on the number of threads, nor on which other rows share a call. Shapes are the caller's duty (checked, as bugs).
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;

  virtual Buffer allocate(int64_t floats) = 0;
  virtual void upload(std::span<const float> host, float* device) = 0;
  virtual void download(const float* device, std::span<float> host) = 0;

  /// Decodes rows [first, first + rows) of `source` and packs them for products of this precision. Thread-safe: runs
  /// beside other operations.
  virtual std::unique_ptr<Weight> prepare(const StoredWeight& source, int64_t first, int64_t rows,
                                          Precision precision) = 0;
  /// The same for values at hand, [rows, cols] row-major in host memory.
  virtual std::unique_ptr<Weight> prepare(std::span<const float> values, int64_t rows, int64_t cols,
                                          Precision precision) = 0;

  /// y = x W^T, or y += x W^T. x [n, W.cols] and y [n, W.rows] are dense (stride = cols).
  virtual void matmul(Matrix x, const Weight& weight, Matrix y, bool accumulate) = 0;
  /// y[r] += bias for every row.
  virtual void add_bias(Matrix y, const float* bias) = 0;

  /// y = weight * x / sqrt(mean(x^2) + eps) for each row; a null weight counts as ones. x and y may be the same.
  virtual void rms_norm(Matrix x, const float* weight, float eps, Matrix y) = 0;
  /// The same for (x - mean) / sqrt(variance + eps) * weight + bias.
  virtual void layer_norm(Matrix x, const float* weight, const float* bias, float eps, Matrix y) = 0;
  /// Rotates the first 2 * pairs of every head of x [n, heads * head_dim]; row r stands at position positions[r].
  virtual void rope(Matrix x, int64_t head_dim, std::span<const int32_t> positions, const float* cos, const float* sin,
                    int64_t pairs, bool interleaved) = 0;
  /// Causal attention within each of the consecutive sequences of `length` rows: q [n, heads * head_dim],
  /// k [n, kv_heads * head_dim], v [n, kv_heads * value_dim], out [n, heads * value_dim].
  virtual void attention(Matrix q, Matrix k, Matrix v, Matrix out, int64_t length, const AttentionShape& shape,
                         Precision precision) = 0;

  enum class Gate : uint8_t { silu, gelu, gelu_tanh, relu, relu2, clamped_swiglu, sigmoid, identity };
  /// gate = act(gate) * up, elementwise; model/spec.h defines clamped_swiglu.
  virtual void gate(Gate act, Matrix gate, Matrix up) = 0;
  /// x = act(x), elementwise; any but clamped_swiglu, which needs two operands.
  virtual void activate(Gate act, Matrix x) = 0;
  /// x = max(x - mean - deviations * standard deviation, 0), with mean and deviation over each row.
  virtual void keep_outstanding(Matrix x, float deviations) = 0;
  virtual void xielu(const XieluShape& shape, Matrix x) = 0;

  /// y[t, c] = bias[c] + sum over j of weight[j, c] * x[t - kernel + 1 + j, c], with silu on top where asked for,
  /// within each sequence of `length` rows; rows before its start count as 0. weight [kernel, cols]; bias may be null.
  virtual void causal_conv(Matrix x, const float* weight, int64_t kernel, const float* bias, bool silu, int64_t length,
                           Matrix y) = 0;
  /// What a state space does in a step of its own length: dt = clamp(softplus(dt + bias), low, high), in place, and
  /// decay = exp(-exp(a_log) * dt). dt and decay [n, heads]; bias and a_log [heads].
  virtual void time_steps(Matrix dt, const float* bias, const float* a_log, float low, float high, Matrix decay) = 0;
  /// For each head, within each sequence of `length` rows, with a state S [key_dim, value_dim] that begins as zeros:
  /// S *= decay; u = write * v, or write * (v - S^T k) for delta; S += k u^T; out = S^T q + skip * v. q and k
  /// [n, key_heads * key_dim], v and out [n, heads * value_dim], decay and write [n, heads].
  virtual void linear_attention(Matrix q, Matrix k, Matrix v, Matrix decay, Matrix write, Matrix out, int64_t length,
                                const LinearAttentionShape& shape) = 0;
  /// For each channel c and component s of its state h, which begins as zero in each sequence of `length` rows:
  /// h = exp(a[s, c] * dt) * h + dt * b[s] * x; out = sum over s of c[s] * h + d * x, with dt = softplus(dt). x, dt and
  /// out [n, channels], a [states, channels], b and c [n, states], d [channels].
  virtual void selective_scan(Matrix x, Matrix dt, const float* a, Matrix b, Matrix c, const float* d, int64_t length,
                              Matrix out) = 0;

  /// Emulates activation quantization in place, row by row; with Scope::call, `call` rows at a time.
  virtual void quantize(const ActivationQuant& quant, Matrix x, int64_t call = 1) = 0;

  /// out[i] = x[rows[i]].
  virtual void gather(Matrix x, std::span<const int32_t> rows, Matrix out) = 0;
  /// y[rows[i]] += scale[i] * x[i]; the rows are distinct.
  virtual void scatter_add(Matrix x, std::span<const int32_t> rows, std::span<const float> scale, Matrix y) = 0;
  virtual void add(Matrix x, Matrix y) = 0;                               ///< y += x
  virtual void scale(float factor, Matrix x) = 0;                         ///< x *= factor
  virtual void clamp(Matrix x, float limit) = 0;                          ///< to [-limit, limit]
  virtual void scale_rows(Matrix x, std::span<const float> factors) = 0;  ///< x[r] *= factors[r]
  virtual void copy(Matrix x, Matrix y) = 0;

  /// Folds the logits x W^T of vocabulary ids [first_id, first_id + W.rows) into `sinks`. Logits below -200 count as
  /// -200.
  virtual void reduce_logits(Matrix x, const Weight& weight, int64_t first_id, const LogitSinks& sinks) = 0;
  /// out [n, W.rows] = the logits x W^T as reduce_logits() sees them.
  virtual void logits(Matrix x, const Weight& weight, Matrix out) = 0;
  /// No NaN and no Inf.
  virtual bool all_finite(Matrix x) = 0;

  /// Rows that a call should have at least to keep the device busy.
  virtual int64_t preferred_rows() const = 0;
};

/// `name`: "cpu", "cuda" or "cuda:N". Throws Error for a device that this build or machine does not have.
std::unique_ptr<Device> open_device(const std::string& name, ThreadPool& pool);

}  // namespace assay
