#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "formats/gguf/runtime.h"
#include "forward/evaluate.h"
#include "model/config.h"
#include "stats/divergence.h"
#include "support/gguf_writer.h"
#include "support/support.h"
#include "tokens/rows.h"

// Models that llama.cpp's converter and quantizer wrote, against transformers and llama.cpp.
namespace assay {
namespace {

namespace fs = std::filesystem;

class GgufArchitecture : public testing::TestWithParam<const char*> {};

TEST_P(GgufArchitecture, GivesTheLogitsOfTheHuggingFaceModel) {
  ASSAY_REQUIRE_FIXTURES();
  const fs::path folder = test::fixtures() / "gguf_arch" / GetParam();
  const Json expected = read_json(folder / "expected.json");
  const Checkpoint checkpoint = Checkpoint::open(folder / "model.gguf");
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  EXPECT_EQ(spec.notes, std::vector<std::string>{});
  const Checkpoint goldens = Checkpoint::open(folder / "logits.safetensors");
  const std::vector<float> logits = read_floats(goldens, goldens.at("logits"));
  // The weights are those of the reference to the bit: what is left is the noise of two float32 forward passes on
  // models of two or three layers, about 1e-5. Where experts are chosen or logits are multiplied it is larger.
  const double tolerance = std::min(expected.at("tolerance").at("max_abs_logit").get<double>(), 2e-4);

  ThreadPool pool(2);
  const auto device = open_device("cpu", pool);
  const auto rows = expected.at("input_ids").get<std::vector<std::vector<int32_t>>>();
  for (size_t row = 0; row < rows.size(); ++row) {
    const Trace ours = trace(*device, {&checkpoint, &quant, &spec}, rows[row], {});
    ASSERT_EQ(ours.logits.size() * rows.size(), logits.size());
    double largest = 0;
    for (size_t i = 0; i < ours.logits.size(); ++i) {
      const double difference = std::fabs(double{ours.logits[i]} - logits[row * ours.logits.size() + i]);
      if (!(difference <= largest)) largest = difference;
    }
    EXPECT_LE(largest, tolerance) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GgufArchitecture,
                         testing::Values("gemma", "gemma2_scale", "gemma3_allswa", "glm4", "gpt_neox",
                                         "gpt_oss_truncate", "granite", "granitemoe", "llama", "llama_bias_tied_silu",
                                         "llama_rope_llama3", "llama_rope_yarn", "mistral_nowindow",
                                         "mixtral_mxfp4_moe", "mixtral_nowindow", "nemotron", "olmo2", "phi3_longrope",
                                         "phi3_nowindow", "qwen2_nowindow", "qwen3", "seed_oss", "smollm3_allrope",
                                         "stablelm", "starcoder2_nowindow"),
                         [](const auto& info) { return std::string(info.param); });

/// What llama.cpp's converter calls a tensor of a Llama.
std::string gguf_name(std::string name) {
  const std::pair<const char*, const char*> parts[] = {{"model.embed_tokens", "token_embd"},
                                                       {"model.norm", "output_norm"},
                                                       {"lm_head", "output"},
                                                       {"model.layers", "blk"},
                                                       {"input_layernorm", "attn_norm"},
                                                       {"self_attn.q_proj", "attn_q"},
                                                       {"self_attn.k_proj", "attn_k"},
                                                       {"self_attn.v_proj", "attn_v"},
                                                       {"self_attn.o_proj", "attn_output"},
                                                       {"post_attention_layernorm", "ffn_norm"},
                                                       {"mlp.gate_proj", "ffn_gate"},
                                                       {"mlp.up_proj", "ffn_up"},
                                                       {"mlp.down_proj", "ffn_down"}};
  for (const auto& [from, to] : parts) {
    if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, std::strlen(from), to);
  }
  return name;
}

TEST(GgufModel, GivesTheVeryLogitsOfTheSafetensorsThatItWasMadeFrom) {
  const Checkpoint base = Checkpoint::open(test::test_data() / "base");
  const Json& config = base.config();
  test::GgufWriter writer;
  writer.add("general.architecture", "llama");
  const auto add = [&](const char* key, const char* from) {
    writer.add(std::string("llama.") + key, config.at(from).get<uint32_t>());
  };
  add("block_count", "num_hidden_layers");
  add("embedding_length", "hidden_size");
  add("feed_forward_length", "intermediate_size");
  add("attention.head_count", "num_attention_heads");
  add("attention.head_count_kv", "num_key_value_heads");
  add("context_length", "max_position_embeddings");
  writer.add("llama.attention.layer_norm_rms_epsilon", config.at("rms_norm_eps").get<float>());
  const int64_t size = config.at("hidden_size").get<int64_t>() / config.at("num_attention_heads").get<int64_t>();
  for (const auto& [name, tensor] : base.tensors()) {
    const std::vector<float> values = read_floats(base, tensor);
    const bool rotary = name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
    const auto width = static_cast<size_t>(tensor.shape.back());
    std::vector<float> moved = values;
    for (int64_t row = 0; rotary && row < tensor.shape[0]; ++row) {
      const int64_t half = row % size / (size / 2), pair = row % (size / 2);
      std::copy_n(values.begin() + row * tensor.shape[1], width,
                  moved.begin() + (row / size * size + 2 * pair + half) * tensor.shape[1]);
    }
    writer.tensor(gguf_name(name), {tensor.shape.begin(), tensor.shape.end()}, moved);
  }
  const test::TempDir dir;
  writer.save(dir / "m.gguf");

  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 64; ++i) ids.push_back(i * 37 % config.at("vocab_size").get<int32_t>());
  ThreadPool pool(2);
  const auto device = open_device("cpu", pool);
  const auto logits = [&](const Checkpoint& checkpoint) {
    const QuantConfig quant = QuantConfig::of(checkpoint);
    const ModelSpec spec = read_model_spec(checkpoint);
    return trace(*device, {&checkpoint, &quant, &spec}, ids, {}).logits;
  };
  EXPECT_EQ(logits(base), logits(Checkpoint::open(dir / "m.gguf")));
}

/// The beginning of wiki2 in the windows of llama.cpp's perplexity tool.
struct LlamaCppRows {
  LlamaCppRows(const fs::path& tokenizer, int64_t window) {
    const test::TempDir temp;
    const fs::path text = temp / "text.txt";
    test::write_text(text, test::read_text(test::shared_data() / "wikitext-2-raw/wiki.test.raw").substr(0, 8000));
    DataSpec data;
    data.tokenizer_dir = tokenizer;
    data.dataset.dataset = text.string();
    data.max_rows = 6;
    const TokenRows rows = make_rows(as_llama_cpp(data, window));
    for (const auto& row : rows.rows) ids.insert(ids.end(), row.begin(), row.end());
    windows = {static_cast<int64_t>(rows.rows.size()), rows.targets_per_row(), window, window,
               rows.first_scored_position() + 1};
  }
  EvalInput input() const { return {ids, windows.rows, windows.length, windows.offset - 1, windows.count}; }

  std::vector<int32_t> ids;
  Windows windows;
};

EvalResult run(const fs::path& model, const LlamaCppRows& rows, const QuantConfig* runtime,
               const EvalOptions& options) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const QuantConfig quant = runtime ? *runtime : QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  ThreadPool pool(2);
  const auto device = open_device("cpu", pool);
  return evaluate(*device, {&checkpoint, &quant, &spec}, rows.input(), options);
}

double perplexity_of(const EvalResult& result) {
  return std::exp(std::accumulate(result.nll.begin(), result.nll.end(), 0.0) / static_cast<double>(result.nll.size()));
}

/// The preset's perplexity, with the tokenizer that the file brings along.
double llama_perplexity(const fs::path& model, const QuantConfig* runtime) {
  return perplexity_of(run(model, LlamaCppRows(model, kLlamaCppLength), runtime, {}));
}

class LlamaCpp : public testing::TestWithParam<const char*> {};

TEST_P(LlamaCpp, PerplexityIsThatOfItsWindowsAndOfItsActivations) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const fs::path folder = test::fixtures() / "gguf" / GetParam();
  const Json golden = read_json(folder / "expected.json").at("llama_cpp");
  const double weights_only = golden.at("same_protocol_float32_weights_only").at("ppl");
  EXPECT_NEAR(llama_perplexity(folder / "model.gguf", nullptr), weights_only, 1e-5 * weights_only);
  // Rounding ties make quantized activations chaotic: llama.cpp and the emulation that made the golden differ by up to
  // 6e-4 in these fixtures (llama_minus_emulated).
  const QuantConfig runtime = gguf::llama_cpp_runtime();
  const double emulated = golden.at("emulated").at("plus_f16_kv_ppl");
  const double ours = llama_perplexity(folder / "model.gguf", &runtime);
  EXPECT_NEAR(ours, emulated, 6e-4 * emulated);
  EXPECT_NE(ours, weights_only);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, LlamaCpp,
                         testing::Values("IQ2_XXS", "MXFP4", "Q2_K", "Q4_0", "Q4_1", "Q4_K", "Q8_0"),
                         [](const auto& info) { return std::string(info.param); });

class LlamaCppDivergence : public testing::TestWithParam<const char*> {};

TEST_P(LlamaCppDivergence, IsWhatLlamaPerplexityPrints) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const fs::path folder = test::fixtures() / "gguf", base = test::fixtures() / "base";
  const Json printed = read_json(folder / "kld/expected.json").at("printed").at(GetParam()).at("statistics");
  const LlamaCppRows rows(folder / GetParam() / "model.gguf", 256);
  const test::TempDir kept;
  EvalOptions keep, compare;
  keep.keep = [&](const Reference::Content& content) { Reference::write(kept / "reference", content, [](double) {}); };
  const double base_ppl = perplexity_of(run(base, rows, nullptr, keep));
  const Reference reference = Reference::open(kept / "reference");
  compare.reference = &reference;
  const QuantConfig runtime = gguf::llama_cpp_runtime();
  const EvalResult result = run(folder / GetParam() / "model.gguf", rows, &runtime, compare);
  const Divergence d = summarize(result.measures, rows.windows, Clustering::rows);

  // llama.cpp keeps the reference's log-probabilities as 16-bit steps of at most 16 / 65535 nats, so each is off by up
  // to half a step, and so is what they weigh in one token's KLD; over many tokens such errors average out (uniform: a
  // variance of step^2 / 12). Activations that fall between two codes go either way, like noise that differs between
  // two programs: less than another text would change, which is what the printed standard errors are about.
  const double half_step = 16.0 / 65535 / 2;
  const double of_means = 4 * half_step / std::sqrt(3.0 * static_cast<double>(rows.windows.observations()));
  const auto expect = [&](const char* name, double ours, double storage) {
    const Json& line = printed.at(name);
    const double want = line.at(0), error = line.at(1);
    EXPECT_NEAR(ours, want, error + storage) << name;
  };
  expect("Mean PPL(Q)/PPL(base)", perplexity_of(result) / base_ppl, of_means);
  expect("Mean    KLD", d.kld.mean, of_means);
  expect("Mean    \u0394p", 100 * d.target_difference.mean, 100 * of_means);
  expect("RMS \u0394p", 100 * d.target_difference_rms, 100 * of_means);
  expect("Same top p", 100 * d.agreement.top1.mean, 0);
  for (const auto& [name, ours] : {std::pair("10.0%   KLD", "p10"),
                                   {"Median  KLD", "median"},
                                   {"90.0%   KLD", "p90"},
                                   {"95.0%   KLD", "p95"},
                                   {"99.0%   KLD", "p99"},
                                   {"99.9%   KLD", "p999"}}) {
    const Quantile& quantile = d.quantile(ours);
    EXPECT_NEAR(quantile.value, printed.at(name).at(0).get<double>(), quantile.error.se + half_step) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, LlamaCppDivergence, testing::Values("Q2_K", "Q4_K_M", "Q8_0"),
                         [](const auto& info) { return std::string(info.param); });

class LlamaCppProtocol : public testing::TestWithParam<const char*> {};

TEST_P(LlamaCppProtocol, ReproducesTheWindowsAndScoringOfLlamaPerplexity) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const fs::path folder = test::fixtures() / "gguf" / GetParam();
  const Json golden = read_json(folder / "expected.json").at("llama_cpp");
  const double ours = llama_perplexity(folder / "model.gguf", nullptr);
  const double same = golden.at("same_protocol_float32_weights_only").at("ppl");
  EXPECT_NEAR(ours, same, 1e-5 * same);
  // llama.cpp rounds activations to 8 bits, which moves what it prints by up to 0.15 % either way.
  const double printed = golden.at("ppl");
  EXPECT_NEAR(ours, printed, 1.5e-3 * printed);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, LlamaCppProtocol,
                         testing::Values("IQ1_M", "IQ1_S", "IQ2_S", "IQ2_XS", "IQ3_S", "IQ3_XXS", "IQ4_NL", "IQ4_XS",
                                         "NVFP4", "Q1_0", "Q2_0", "Q3_K", "Q4_K_M", "Q5_K", "Q6_K", "TQ1_0", "TQ2_0"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace assay
