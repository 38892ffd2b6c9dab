#pragma once
#include "model/arch/arch.h"

namespace assay {

/// Sizes of a Mamba-2 mixer, and what is stored of it.
struct Mamba2Shape {
  int64_t heads = 0, head_dim = 0, groups = 0, states = 0, kernel = 0;
  double dt_low = 0, dt_high = 0;
  bool in_bias = false, conv_bias = true, out_bias = false;
  bool norm = true;        ///< of the gated output
  int64_t norm_parts = 1;  ///< that are normed apart
  bool norm_before_gate = false;
};

struct Mamba2Keys {
  const char *heads, *head_dim, *groups, *states, *kernel;
};

/// Sizes and time_step_limit; `width` is heads * head_dim where the config says it, else 0.
Mamba2Shape read_mamba2(Keys& keys, const Mamba2Keys& names, int64_t width);
Mamba2Spec mamba2(const Source& source, const Decoder& decoder, const std::string& module, const Mamba2Shape& shape);

/// Sizes of a Mamba mixer. `norm` is that of the time steps, B and C before they are used.
struct MambaShape {
  int64_t channels = 0, states = 0, rank = 0, kernel = 0;
  bool bias = false, conv_bias = true;  ///< bias: of the projections in and out
  NormStyle norm = {.kind = NormSpec::Kind::none};
};

MambaSpec mamba(const Source& source, const Decoder& decoder, const std::string& module, const MambaShape& shape);
/// The rank of a time step; "auto" is a sixteenth of the model.
int64_t read_time_step_rank(Keys& keys, const char* key, int64_t hidden);

/// Defaults of models that are nothing but layers of state spaces.
DecoderDefaults mamba_defaults(Keys& keys);

/// A_log below `module`, or A, which is what GGUF files store.
std::string decays(const Source& source, const std::string& module, const std::vector<int64_t>& shape);
/// conv1d below `module`.
ConvSpec conv1d(const Source& source, const std::string& module, int64_t channels, int64_t kernel, bool bias);
/// The size of a convolution's kernel.
int64_t read_kernel(Keys& keys, const char* key, int64_t otherwise);

}  // namespace assay
