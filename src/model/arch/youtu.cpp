#include "model/arch/deepseek.h"

namespace assay::arch {

/// DeepSeek's latent attention with an MLP in every layer.
ModelSpec youtu(Source& source) {
  return build(source, read_deepseek(source, source.keys.boolean_or("rope_interleave", true), {.tied = true}));
}

}  // namespace assay::arch
