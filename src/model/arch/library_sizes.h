#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace assay {

/// Sizes that the mainstream library takes where a config does not say. Configs of multimodal models leave them out of
/// the section that describes the language model; no other config does. 0: no such key.
struct LibrarySizes {
  std::string_view model_type;
  int64_t vocab, hidden, intermediate, layers, heads, kv_heads, head_dim;
};
inline constexpr auto kLibrarySizes = std::to_array<LibrarySizes>({
    {"cohere", 256000, 8192, 22528, 40, 64, 64, 0},
    {"cohere2", 256000, 8192, 22528, 40, 64, 64, 0},
    {"deepseek_v3", 129280, 7168, 18432, 61, 128, 128, 0},
    {"ernie4_5", 103424, 1024, 3072, 18, 16, 2, 128},
    {"gemma", 256000, 3072, 24576, 28, 16, 16, 256},
    {"gemma2", 256000, 2304, 9216, 26, 8, 4, 256},
    {"gemma3_text", 262208, 2304, 9216, 26, 8, 4, 256},
    {"glm4v_moe_text", 151424, 4096, 10944, 46, 96, 8, 0},
    {"glm4v_text", 151552, 4096, 13696, 40, 32, 2, 0},
    {"granite", 32000, 4096, 11008, 32, 32, 32, 0},
    {"llama", 32000, 4096, 11008, 32, 32, 0, 0},
    {"llama4_text", 202048, 5120, 8192, 48, 40, 8, 128},
    {"ministral3", 131072, 4096, 14336, 34, 32, 8, 128},
    {"mistral", 32000, 4096, 14336, 32, 32, 8, 0},
    {"mixtral", 32000, 4096, 14336, 32, 32, 8, 0},
    {"olmo2", 50304, 4096, 11008, 32, 32, 0, 0},
    {"phi", 51200, 2048, 8192, 24, 32, 0, 0},
    {"phi3", 32064, 3072, 8192, 32, 32, 0, 0},
    {"qwen2", 151936, 4096, 22016, 32, 32, 32, 0},
    {"qwen2_5_vl_text", 152064, 8192, 29568, 80, 64, 8, 0},
    {"qwen2_vl_text", 152064, 8192, 29568, 80, 64, 8, 0},
    {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128},
    {"qwen3_moe", 151936, 2048, 6144, 24, 32, 4, 0},
    {"qwen3_vl_moe_text", 151936, 2048, 5632, 24, 16, 16, 0},
    {"qwen3_vl_text", 151936, 4096, 22016, 32, 32, 32, 128},
    {"smollm3", 128256, 2048, 11008, 36, 16, 4, 0},
});

}  // namespace assay
