#pragma once

namespace assay::test {

/// Folders of ../shared/fixtures/architectures, each a tiny model with golden logits, whose architecture assay knows.
inline constexpr const char* kArchitectureFixtures[] = {
    "cohere",
    "cohere2",
    "cohere_noqk",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_names5",
    "gemma3_text",
    "glm",
    "glm4",
    "glm4_moe",
    "gpt_oss",
    "llama",
    "llama_bias_tied",
    "llama_rope_dynamic",
    "llama_rope_linear",
    "llama_rope_llama3",
    "llama_rope_longrope",
    "llama_rope_yarn",
    "llama_rope_yarn_opts",
    "ministral",
    "mistral",
    "mistral3",
    "mistral3_names5",
    "mixtral",
    "olmo",
    "olmo2",
    "olmo3",
    "olmoe",
    "phi3",
    "phi3_longrope",
    "phi3_longrope_short",
    "qwen2",
    "qwen2_tied",
    "qwen3",
    "qwen3_bias_window",
    "qwen3_moe",
    "qwen3_moe_fused",
    "qwen3_moe_nonorm",
};

}  // namespace assay::test
