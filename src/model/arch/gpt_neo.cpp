#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "model/arch/gpt.h"

namespace assay::arch {

namespace {

/// `attention_layers`, or `attention_types`: pairs of a pattern and how often it is repeated.
std::vector<std::string> kinds_of(Keys& keys, int64_t layers) {
  std::vector<std::string> kinds = keys.strings("attention_layers");
  const std::string expected = fmt::format("\"global\" or \"local\" for each of {} layers", layers);
  const char* key = kinds.empty() ? "attention_types" : "attention_layers";
  const Json* types = keys.raw("attention_types");
  if (kinds.empty() && types && types->is_array()) {
    for (const Json& pair : *types) {
      const bool fits = pair.is_array() && pair.size() == 2 && pair[0].is_array() && pair[1].is_number_unsigned();
      if (!fits || pair[1].get<uint64_t>() > static_cast<uint64_t>(layers)) keys.refuse(key, expected);
      for (uint64_t i = 0; i < pair[1].get<uint64_t>() && static_cast<int64_t>(kinds.size()) <= layers; ++i) {
        for (const Json& kind : pair[0]) kinds.push_back(kind.is_string() ? kind.get<std::string>() : "");
      }
    }
  }
  bool fits = static_cast<int64_t>(kinds.size()) == layers;
  for (const std::string& kind : kinds) fits = fits && (kind == "global" || kind == "local");
  if (!fits) keys.refuse(key, expected);
  return kinds;
}

}  // namespace

/// GPT-2 with separate q, k and v without biases, scores that are not scaled, and windows on some layers.
ModelSpec gpt_neo(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = gpt_defaults();
  defaults.tied = true;
  defaults.keys.hidden = "hidden_size";
  defaults.keys.intermediate = "intermediate_size";
  defaults.keys.layers = "num_layers";
  defaults.keys.heads = "num_heads";
  defaults.keys.positions = "max_position_embeddings";
  defaults.names.attention = "attn.attention";
  defaults.names.o = "out_proj";
  defaults.names.up = "c_fc";
  defaults.names.down = "c_proj";
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_bias = false;
  decoder.score_scale = 1;
  const int64_t window = keys.size_or("window_size", 256);
  for (const std::string& kind : kinds_of(keys, decoder.layers))
    decoder.windows.push_back(kind == "local" ? window : 0);
  return build_with_positions(source, decoder, "wpe", 0);
}

}  // namespace assay::arch
