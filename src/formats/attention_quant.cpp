#include "formats/compressed_tensors/runtime.h"
#include "formats/format.h"

namespace assay {

AttentionQuant open_attention_quant(const Checkpoint& checkpoint, const QuantConfig& config,
                                    const std::string& module) {
  if (config.method() == compressed_tensors::kMethod) {
    return compressed_tensors::attention_quant(Module(checkpoint, config, module));
  }
  return {};
}

}  // namespace assay
