#include "model/arch/gpt.h"

namespace assay::arch {

/// GPT-2 with rope in place of learned positions, and parallel branches.
ModelSpec gptj(Source& source) {
  return build(source, read_gptj(source, gpt_defaults()));
}

}  // namespace assay::arch
