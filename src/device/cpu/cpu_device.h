#pragma once
#include <vector>

#include "device/cpu/gemm.h"
#include "device/device.h"

namespace assay {

/// The CPU: oneDNN for matrix products, own kernels for the rest. One loop over row tiles per operation.
class CpuDevice final : public Device {
 public:
  explicit CpuDevice(ThreadPool& pool) : pool_(pool) {}
  std::string name() const override { return "cpu"; }

  Buffer allocate(int64_t floats) override;
  void upload(std::span<const float> host, float* device) override;
  void download(const float* device, std::span<float> host) override;

  std::unique_ptr<Weight> prepare(const StoredWeight& source, int64_t first, int64_t rows,
                                  Precision precision) override;
  std::unique_ptr<Weight> prepare(std::span<const float> values, int64_t rows, int64_t cols,
                                  Precision precision) override;
  void matmul(Matrix x, const Weight& weight, Matrix y, bool accumulate) override;

  void add_bias(Matrix y, const float* bias) override;
  void rms_norm(Matrix x, const float* weight, float eps, Matrix y) override;
  void layer_norm(Matrix x, const float* weight, const float* bias, float eps, Matrix y) override;
  void rope(Matrix x, int64_t head_dim, std::span<const int32_t> positions, const float* cos, const float* sin,
            int64_t pairs, bool interleaved) override;
  void attention(Matrix q, Matrix k, Matrix v, Matrix out, int64_t length, const AttentionShape& shape,
                 Precision precision) override;
  void gate(Gate act, Matrix gate, Matrix up) override;
  void activate(Gate act, Matrix x) override;
  void keep_outstanding(Matrix x, float deviations) override;
  void xielu(const XieluShape& shape, Matrix x) override;
  void causal_conv(Matrix x, const float* weight, int64_t kernel, const float* bias, bool silu, int64_t length,
                   Matrix y) override;
  void time_steps(Matrix dt, const float* bias, const float* a_log, float low, float high, Matrix decay) override;
  void linear_attention(Matrix q, Matrix k, Matrix v, Matrix decay, Matrix write, Matrix out, int64_t length,
                        const LinearAttentionShape& shape) override;
  void selective_scan(Matrix x, Matrix dt, const float* a, Matrix b, Matrix c, const float* d, int64_t length,
                      Matrix out) override;
  void quantize(const ActivationQuant& quant, Matrix x, int64_t call) override;
  void gather(Matrix x, std::span<const int32_t> rows, Matrix out) override;
  void scatter_add(Matrix x, std::span<const int32_t> rows, std::span<const float> scale, Matrix y) override;
  void add(Matrix x, Matrix y) override;
  void scale(float factor, Matrix x) override;
  void clamp(Matrix x, float limit) override;
  void scale_rows(Matrix x, std::span<const float> factors) override;
  void copy(Matrix x, Matrix y) override;
  void reduce_logits(Matrix x, const Weight& weight, int64_t first_id, const LogitSinks& sinks) override;
  void logits(Matrix x, const Weight& weight, Matrix out) override;
  bool all_finite(Matrix x) override;
  int64_t preferred_rows() const override;

 private:
  using Fill = std::function<void(int64_t first, int64_t rows, float* out)>;
  std::unique_ptr<Weight> pack(int64_t rows, int64_t cols, Precision precision, const Fill& fill);
  /// Calls body(first, count) for tiles of rows, in parallel.
  void for_row_tiles(int64_t rows, int64_t tile, const std::function<void(int64_t, int64_t)>& body);

  ThreadPool& pool_;
};

}  // namespace assay
