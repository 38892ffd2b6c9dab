#include "cli/project_file.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "support/errors.h"
#include "support/support.h"
#include "tokens/rows.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using Kind = ProjectChart::Kind;

constexpr const char* kSmall = R"(
test_data: {source: wiki2, rows: 4, length: 512}
tokenizer: {source: tok}
logit_cache: {dir: cache}
models:
  - {label: Q4, group: GGUF, engine: llamacpp, source: q4.gguf}
  - {label: 3.00, group: reference, engine: transformers, source: hf}
)";

Project project(const std::string& text) {
  const test::TempDir dir;
  test::write_text(dir / "p.yaml", text);
  return read_project(dir / "p.yaml");
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(ProjectFile, ReadsTheExample) {
  ASSAY_REQUIRE_FIXTURES();
  const fs::path folder = test::fixtures() / "specs";
  const Project p = read_project(folder / "qbench_project.yaml");
  EXPECT_EQ(p.title, "Demo 8B");
  EXPECT_EQ(p.reference_quant, "mxfp4");
  ASSERT_EQ(p.models.size(), 4u);
  EXPECT_TRUE(p.models[0].reference);
  EXPECT_TRUE(p.models[1].noise_floor);
  EXPECT_EQ(p.models[1].noise, std::ldexp(1.0, -9));
  EXPECT_EQ(p.models[2].label, "3.00 bpw");
  EXPECT_EQ(p.models[2].group, "EXL3");
  EXPECT_EQ(p.models[3].model_dir.at(0), fs::absolute(folder) / "gguf/demo-Q4_K_M-00001-of-00002.gguf");
  EXPECT_EQ(p.results, fs::absolute(folder) / "out/results.json");
  EXPECT_EQ(p.cache_dir, fs::absolute(folder) / "_cache/assay");
  EXPECT_EQ(p.cache_bytes, 50'000'000'000u);
  ASSERT_EQ(p.charts.size(), 4u);
  EXPECT_EQ(p.charts[3].kind, Kind::kld_histogram_combined);
  EXPECT_EQ(p.charts[3].labels, (std::vector<std::string>{"3.00 bpw", "Q4_K_M"}));
  EXPECT_FALSE(p.dark);
  EXPECT_EQ(p.caption, "");
}

TEST(ProjectFile, TheRowsOfTheExampleAreQbenchs) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const fs::path folder = test::fixtures() / "specs";
  Project p = read_project(folder / "qbench_project.yaml");
  p.data.tokenizer_dir = test::shared_data() / "tokenizers/qwen3";
  RowOptions options;
  options.locations.folders = {test::shared_data()};
  const Json golden = read_json(folder / "expected.json")["qbench_project.yaml"];
  EXPECT_EQ(make_rows(p.data, options).tokens_sha256, golden["rows_sha256_i32le"]);
}

TEST(ProjectFile, DefaultsAreQbenchs) {
  const Project p = project(kSmall);
  EXPECT_EQ(p.title, "qbench");
  EXPECT_EQ(p.data.eval_stride, 512);
  EXPECT_FALSE(p.data.chat_template);
  EXPECT_FALSE(p.data.add_special);
  EXPECT_FALSE(p.data.parse_special);
  EXPECT_EQ(p.data.prompt, "Say something.");
  EXPECT_EQ(p.cache_bytes, 200'000'000'000u);
  EXPECT_TRUE(p.dark);
  EXPECT_EQ(p.caption, "\n");
  ASSERT_EQ(p.models.size(), 3u) << "with its noise floor";
  EXPECT_EQ(p.models[0].label, "3.0") << "a label that YAML takes for a number";
  EXPECT_EQ(project(std::string(kSmall) + "noise_floor: false\n").models.size(), 2u);
}

TEST(ProjectFile, WhatItCannotMeanIsRefusedByName) {
  const auto refusal = [](const std::string& text) { return test::error_of([&] { project(text); }); };
  const std::string small = kSmall;
  test::expect_contains(refusal(small + "noise_flor: true\n"), "did you mean \"noise_floor\"?");
  test::expect_contains(refusal(small + "test_trace: t.json\n"), "test_trace");
  test::expect_contains(refusal(small + "output: {interactive: x.html}\n"), "interactive");
  test::expect_contains(refusal(small + "output: {plot_kld_hist: {file: a.svg, labels: [none]}}\n"), "\"none\"");
  test::expect_contains(refusal(with(small, "group: reference", "group: other")), "exactly one model");
  test::expect_contains(refusal(with(small, "group: GGUF", "group: reference")), "there are 2");
  test::expect_contains(refusal(with(small, "llamacpp", "vllm")), "engine");
  test::expect_contains(refusal(with(small, "rows: 4", "rows: 0")), "rows");
  test::expect_contains(refusal(with(small, "rows: 4, ", "")), "rows");
  test::expect_contains(refusal(with(small, "source: tok", "source: tok, template: chatml")), "template");
  test::expect_contains(refusal("models: 3"), "test_data");
}

}  // namespace
}  // namespace assay
