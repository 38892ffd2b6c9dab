#include "cli/opened_model.h"

#include "formats/gguf/runtime.h"
#include "model/config.h"

namespace assay {

QuantConfig quant_of(const Checkpoint& checkpoint, const RunOptions& options) {
  return options.llama_cpp && checkpoint.gguf() ? gguf::llama_cpp_runtime() : QuantConfig::of(checkpoint);
}

EvalOptions eval_options(const RunOptions& options) {
  EvalOptions out;
  out.precision = options.precision;
  out.as_deployed = options.as_deployed;
  out.kv_cache = options.kv_cache;
  out.memory_bytes = options.memory_bytes;
  return out;
}

OpenedModel::OpenedModel(const std::filesystem::path& path, const RunOptions& run)
    : checkpoint(Checkpoint::open(path)),
      quant(quant_of(checkpoint, run)),
      spec(read_model_spec(checkpoint, run.assume)) {}

}  // namespace assay
