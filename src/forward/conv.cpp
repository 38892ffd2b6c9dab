#include "forward/conv.h"

#include "base/error.h"

namespace assay {

Conv::Conv(const WeightStore& store, const ConvSpec& spec, int64_t first, int64_t channels) : kernel_(spec.kernel) {
  ASSAY_CHECK(first + channels <= spec.channels);
  const std::vector<float> stored = store.values(spec.weight, spec.channels * kernel_);
  std::vector<float> transposed(static_cast<size_t>(kernel_ * channels));
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t j = 0; j < kernel_; ++j) transposed[j * channels + c] = stored[(first + c) * kernel_ + j];
  }
  weight_ = store.to_device(transposed);
  if (spec.bias.empty()) return;
  const std::vector<float> bias = store.values(spec.bias, spec.channels);
  bias_ = store.to_device({bias.begin() + first, bias.begin() + first + channels});
}

void Conv::apply(RunContext& context, Matrix x, bool silu, Matrix y) const {
  const float* bias = bias_.floats() > 0 ? bias_.data() : nullptr;
  context.times.time("convolution",
                     [&] { context.device.causal_conv(x, weight_.data(), kernel_, bias, silu, context.length, y); });
}

}  // namespace assay
