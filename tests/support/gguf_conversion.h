#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace assay::test {

/// What llama.cpp's converter does with a tensor.
enum class Move {
  same,
  drop,        ///< is not written
  pairs_of_q,  ///< rows that rotate together become neighbours
  pairs_of_k,
  parts,             ///< [heads, (q, k, v)] becomes q, k, v
  turn,              ///< [in, out] becomes [out, in]
  stack,             ///< experts, # in the name, become one tensor
  row_stack,         ///< [experts * out, in] becomes [experts, out, in]
  turned_row_stack,  ///< the same of what has to be turned
  turned_stack,      ///< [experts, in, out] becomes [experts, out, in]
  turned_gate_up,    ///< [experts, in, 2 * out] becomes two stacks, "ffn_gate_exps" and "ffn_up_exps"
  gate_up,           ///< [2 * out, in] becomes two tensors, the second named after the first with "gate" as "up"
  gate_up_stack,     ///< the same of [experts, 2 * out, in]
  latent_kv,         ///< [heads * (k + v), rank] becomes attn_k_b [heads, rank, k] and attn_v_b [heads, v, rank]
  number,            ///< becomes an element of a list in the metadata, named as the tensor would be
};

struct Renaming {
  const char* name;    ///< within its layer, with "weight" or "bias" unless it is a parameter
  const char* stored;  ///< the same in the GGUF file, without suffix
  Move move = Move::same;
};

/// A key of the metadata, from a key of the config ("/ffn_config/moe_top_k") or, where that starts with '=', a value.
struct MetadataKey {
  const char* key;
  const char* from;
};

/// What the converter does with one architecture, and the fixture that shows it.
struct GgufConversion {
  const char* fixture;
  const char* architecture;
  std::vector<MetadataKey> keys;
  std::vector<Renaming> tensors;
  /// A merge patch of config.json, for what a GGUF file cannot say of the fixture.
  const char* changes = "{}";
  /// Of logits, where a number was rounded to float32 on its way.
  double tolerance = 0;
  const char* label = "";  ///< tells two conversions of a fixture apart
};

std::string name_of(const GgufConversion& conversion);
const std::vector<GgufConversion>& gguf_conversions();

/// Writes the fixture with its changes into `folder`: model.gguf, and model.safetensors with config.json below "plain".
void convert_fixture(const GgufConversion& conversion, const std::filesystem::path& folder);

}  // namespace assay::test
