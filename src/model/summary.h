#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "formats/format.h"

namespace assay {

/// Gathers, weight by weight, what a checkpoint is in words: its formats, what it does to activations, and where its
/// config says something else.
class Summary {
 public:
  enum class Place : uint8_t { decoder, router, embedding, head };

  explicit Summary(const QuantConfig& config) : config_(config) {}
  void add(const StoredWeight& weight, Place place);
  void add(const AttentionQuant& attention);

  /// Formats by share of weights, largest first: "gguf/Q4_K+Q6_K", "awq/gemm+dense/bf16". A router, a head or an
  /// embedding that is plain beside quantized layers is no part of it.
  std::string format() const;
  /// "E2M1 in groups of 16 (NVFP4 scales)", or "none".
  std::string activations() const;
  std::vector<std::string> mismatches() const;

 private:
  void compare_with_config(const StoredWeight& weight);

  const QuantConfig& config_;
  std::map<std::string, uint64_t> formats_;  // format -> weights
  std::map<std::string, int64_t> inputs_;    // description -> linears
  std::map<std::string, int64_t> others_;    // description -> modules
  int64_t linears_ = 0;
  struct Mismatch {
    int64_t modules = 0;
    std::string first;
  };
  std::map<std::string, Mismatch> mismatches_;  // description -> where
};

/// "E4M3, one scale a token".
std::string describe(const ActivationQuant& quant);

}  // namespace assay
