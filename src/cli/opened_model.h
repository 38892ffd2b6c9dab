#pragma once
#include "cli/options.h"
#include "forward/evaluate.h"

namespace assay {

/// What a checkpoint declares, or for a GGUF file what llama.cpp does on a CPU where that was asked for.
QuantConfig quant_of(const Checkpoint& checkpoint, const RunOptions& options);

/// What the options say about arithmetic and memory.
EvalOptions eval_options(const RunOptions& options);

/// A checkpoint with what its config says.
struct OpenedModel {
  OpenedModel(const std::filesystem::path& path, const RunOptions& run);
  OpenedModel(const OpenedModel&) = delete;
  OpenModel model() const { return {&checkpoint, &quant, &spec}; }

  const Checkpoint checkpoint;
  const QuantConfig quant;
  const ModelSpec spec;
};

}  // namespace assay
