#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/format.h"
#include "model/spec.h"

namespace assay {

/// Stored bits of a number of weights.
struct Bits {
  uint64_t bits = 0;
  uint64_t weights = 0;

  /// NaN when there are no weights.
  double bpw() const;
  Bits& operator+=(const Bits& other);
};

/// What a checkpoint's weights cost, counted from the stored tensors and never from nominal numbers.
struct Storage {
  struct Tensor {
    std::string name;  ///< of the dense model's weight
    int64_t rows = 0, cols = 0;
    std::string format;
    uint64_t bits = 0;
  };

  /// The numbers of compare_q. As it does, count of a plain linear the weight; of a compressed-tensors linear with
  /// `weight_packed`, and of AQLM, VPTQ, EXL2 and EXL3, every tensor of the module (bias, activation scales, shape);
  /// of GGUF the divisors of rope and the sinks as well.
  /// It had no numbers for most others (FP8, int8, fused experts): there the exact bits stand.
  struct CompareQ {
    double bpw_layer = 0, bpw_head = 0, vram_gib = 0;
  };

  Bits decoder;  ///< linears of all layers, routers included
  Bits head;     ///< a tied head has the embedding's bits
  Bits embedding;
  Bits other;  ///< every other stored tensor, and the parts of modules that are no weight; weights = 0
  uint64_t file_bytes = 0;

  std::map<std::string, uint64_t> roles;  ///< name_of(Role) -> bits, over decoder and head
  std::vector<Bits> layers;
  std::map<std::string, Bits> formats;  ///< StoredWeight::format() -> decoder and head
  std::vector<Tensor> tensors;          ///< embedding, layers in order, head unless tied
  CompareQ compare_q;

  std::string format;                   ///< "compressed-tensors/nvfp4-pack-quantized", several joined by +
  std::string activations;              ///< what the checkpoint quantizes at run time, "none" if nothing
  std::vector<std::string> mismatches;  ///< where the config says one thing and the tensors another

  /// Decoder and head, in GiB.
  double vram_gib() const;
};

/// Looks at headers only. Error when a weight cannot be opened or has not the size that the model needs.
Storage measure_storage(const Checkpoint& checkpoint, const QuantConfig& config, const ModelSpec& model);

}  // namespace assay
