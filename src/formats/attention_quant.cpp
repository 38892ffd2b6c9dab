#include "formats/compressed_tensors/runtime.h"
#include "formats/format.h"
#include "formats/gguf/runtime.h"
#include "formats/modelopt/config.h"
#include "formats/quark/config.h"

namespace assay {

AttentionQuant open_attention_quant(const Checkpoint& checkpoint, const QuantConfig& config,
                                    const std::string& module) {
  const Module attention(checkpoint, config, module);
  if (config.method() == compressed_tensors::kMethod) return compressed_tensors::attention_quant(attention);
  if (config.method() == modelopt::kMethod) return modelopt::attention_quant(attention);
  if (config.method() == quark::kMethod) return quark::attention_quant(attention);
  if (config.method() == gguf::kMethod) return gguf::attention_quant();
  return {};
}

}  // namespace assay
