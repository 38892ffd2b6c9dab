#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "base/json.h"
#include "support/safetensors_writer.h"
#include "support/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int status = -1;
  std::string out, err;
};

/// Runs the real program in a folder of its own.
class Program : public testing::Test {
 protected:
  pid_t start(const std::vector<std::string>& arguments) {
    const pid_t child = fork();
    if (child != 0) return child;
    setenv("XDG_CACHE_HOME", (dir_ / "cache").c_str(), 1);
    dup2(open((dir_ / "out").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), STDOUT_FILENO);
    dup2(open((dir_ / "err").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), STDERR_FILENO);
    std::vector<char*> argv;
    const std::string binary = test::assay_binary().string();
    argv.push_back(const_cast<char*>(binary.c_str()));
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(binary.c_str(), argv.data());
    _exit(127);
  }

  Outcome finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), test::read_text(dir_ / "out"),
            test::read_text(dir_ / "err")};
  }

  Outcome run(const std::vector<std::string>& arguments) { return finish(start(arguments)); }

  bool has_said(const std::string& text) const {
    return fs::exists(dir_ / "out") && test::read_text(dir_ / "out").find(text) != std::string::npos;
  }

  std::string write(const std::string& name, const Json& json) {
    test::write_text(dir_ / name, json.dump());
    return (dir_ / name).string();
  }

  std::string models_file(const std::string& name, const std::vector<Json>& entries) {
    return write(name, Json(entries));
  }

  /// A data spec of the first rows of the sampled text.
  std::string data(int64_t rows) {
    return write("data.json", {{"token_rows", sampled().string()}, {"max_rows", rows}, {"dataset_display_name", "s"}});
  }

  static Json entry(const std::string& label, const fs::path& model) {
    return {{"label", label},
            {"load_fn", "transformers_auto_bf16"},
            {"fwd_fn", "transformers"},
            {"model_dir", model.string()}};
  }

  static fs::path sampled() { return test::test_data() / "sampled_rows.json"; }
  static fs::path base() { return test::test_data() / "base"; }

  static void expect_mentions(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  test::TempDir dir_;
};

TEST_F(Program, PplMeasuresTheTinyModel) {
  const Outcome o = run({"ppl", base().string(), "--tokens", sampled().string(), "--json"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json model = Json::parse(o.out)["models"][0];
  EXPECT_EQ(model["label"], "base");
  EXPECT_EQ(model["architecture"], "llama");
  EXPECT_EQ(model["format"], "dense/bf16");
  EXPECT_NEAR(model["ppl"].get<double>(), 27.934947, 27.934947 * 1e-5);
  EXPECT_EQ(model["row_nll"].size(), 16u);
  EXPECT_GT(model["ppl_se"].get<double>(), 0);
  EXPECT_EQ(model["bits"]["decoder"]["bpw"], 16.0);
}

TEST_F(Program, CompareSpeaksAsCompareQDoes) {
  Json reference = entry("HF BF16", base());
  reference["out_logits"] = "logits";
  Json overridden = entry("Dequantized", base());
  overridden["override_bpw_layer"] = 4.5;
  const std::string models = models_file("models.json", {overridden, reference});
  const Outcome o = run({"compare", "-d", data(2), "-m", models});
  ASSERT_EQ(o.status, 0) << o.err;
  for (const char* line :
       {"Loading dataset: s\n", "Loading: HF BF16\n", "Loaded dense/bf16 model: 16.0000 bpw (decoder), 16.0000 bpw",
        "Loaded dense/bf16 model: 4.5000 bpw (decoder)", "Testing: Dequantized\n", "Perplexity: "})
    expect_mentions(o.out, line);
  expect_mentions(o.err, "Evaluating: 100%");
  EXPECT_LT(o.out.find("Loading: HF BF16"), o.out.find("Loading: Dequantized")) << "the reference comes first";

  const size_t dashes = o.out.find("\n------\n");
  ASSERT_NE(dashes, std::string::npos) << o.out;
  const Json last = Json::parse(o.out.substr(dashes + 8));
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0]["label"], "HF BF16");
  EXPECT_EQ(last[0]["layer_bpw"], 16.0);
  EXPECT_EQ(last[1]["layer_bpw"], 4.5);
  EXPECT_EQ(last[1]["head_bpw"], 16.0);
  EXPECT_EQ(last[0]["ppl"], last[1]["ppl"]);
  EXPECT_EQ(last[0]["kld"], 0.0);
  EXPECT_EQ(last[1]["kld"], 0.0) << "the same weights";
}

TEST_F(Program, WritesEveryKindOfReportAndMergesThem) {
  Json reference = entry("HF BF16", base());
  reference["out_logits"] = "logits";
  const std::string one = (dir_ / "one.json").string(), two = (dir_ / "two.json").string();
  const std::string page = (dir_ / "page.html").string(), chart = (dir_ / "chart.svg").string();
  const std::string first = models_file("a.json", {reference, entry("NVFP4 a", test::test_data() / "nvfp4")});
  const std::string second = models_file("b.json", {reference, entry("HF again", base())});
  const Outcome o =
      run({"compare", "-d", data(2), "-m", first, "-o", one, "--html", page, "-kld", "-pf", chart, "-dark"});
  ASSERT_EQ(o.status, 0) << o.err;
  expect_mentions(o.out, "Chart: ");
  EXPECT_NE(test::read_text(page).find("<section id=\"text\">"), std::string::npos);
  EXPECT_NE(test::read_text(chart).find("<svg"), std::string::npos);
  ASSERT_EQ(run({"compare", "-d", data(2), "-m", second, "-o", two}).status, 0);

  const Outcome merged = run({"merge", one, two, "--json"});
  ASSERT_EQ(merged.status, 0) << merged.err;
  const Json json = Json::parse(merged.out);
  ASSERT_EQ(json["models"].size(), 3U);
  EXPECT_EQ(json["models"][0]["role"], "reference");
  EXPECT_EQ(json["pairs"].size(), 3U);
  EXPECT_TRUE(json["pairs"][1]["nll"]["indistinguishable"]) << "the same weights";

  ASSERT_EQ(run({"compare", "-d", data(1), "-m", second, "-o", two}).status, 0);
  const Outcome refused = run({"merge", one, two});
  EXPECT_EQ(refused.status, 2);
  expect_mentions(refused.err, "cannot be merged");
}

TEST_F(Program, RefusesChartsThatCannotBeWrittenBeforeItMeasures) {
  const std::string models = models_file("models.json", {entry("base", base())});
  for (const std::string& file : {(dir_ / "chart.bmp").string(), (dir_ / "gone" / "chart.svg").string()}) {
    const Outcome o = run({"compare", "-d", data(1), "-m", models, "-pf", file});
    EXPECT_EQ(o.status, 2);
    EXPECT_EQ(o.out.find("Loading: base"), std::string::npos);
    expect_mentions(o.err, file);
  }
}

TEST_F(Program, OneFailingModelDoesNotStopTheOthers) {
  const std::string models = models_file("models.json", {entry("gone", dir_ / "gone"), entry("base", base())});
  const std::string report = (dir_ / "report.json").string();
  const Outcome o = run({"compare", "-d", data(1), "-m", models, "-o", report});
  EXPECT_EQ(o.status, 1) << o.err;
  expect_mentions(o.err, "assay: error: gone: ");
  expect_mentions(o.out, "gone failed: ");
  const Json json = read_json(report);
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["models"][0]["status"], "failed");
  EXPECT_EQ(json["models"][1]["status"], "ok");
}

TEST_F(Program, OverrideTensorsFailTheirModelOnly) {
  Json exl3 = entry("EXL3", base());
  exl3["model_dir"] = {base().string(), "override.safetensors"};
  const Outcome o =
      run({"compare", "-d", data(1), "-m", models_file("models.json", {exl3, entry("base", base())}), "--json"});
  EXPECT_EQ(o.status, 1) << o.err;
  expect_mentions(Json::parse(o.out)["models"][0]["error"], "not supported yet");
}

TEST_F(Program, AllModelsFailingIsBadInput) {
  const std::string models = models_file("models.json", {entry("gone", dir_ / "gone")});
  EXPECT_EQ(run({"compare", "-d", data(1), "-m", models}).status, 2);
  EXPECT_EQ(run({"ppl", (dir_ / "gone").string()}).status, 2);
  EXPECT_EQ(run({"inspect", (dir_ / "gone").string()}).status, 2);
}

TEST_F(Program, TheReportFileIsOpenedBeforeAnythingIsMeasured) {
  const std::string models = models_file("models.json", {entry("base", base())});
  const Outcome o = run({"compare", "-d", data(1), "-m", models, "-o", (dir_ / "absent/report.json").string()});
  EXPECT_EQ(o.status, 2);
  expect_mentions(o.err, "absent/report.json: cannot write");
  EXPECT_EQ(o.out.find("Testing"), std::string::npos) << o.out;
}

TEST_F(Program, ASecondRunIsAnsweredFromTheCacheByContent) {
  fs::copy(base(), dir_ / "copy", fs::copy_options::recursive);
  const std::string models = models_file("models.json", {entry("base", base())});
  const std::string other = models_file("other.json", {entry("another name", dir_ / "copy")});
  const auto first = Json::parse(run({"compare", "-d", data(2), "-m", models, "--json"}).out)["models"][0];
  const auto second = Json::parse(run({"compare", "-d", data(2), "-m", other, "--json"}).out)["models"][0];
  EXPECT_EQ(first["cached"], false);
  EXPECT_EQ(second["cached"], true);
  EXPECT_EQ(second["label"], "another name");
  EXPECT_EQ(first["row_nll"], second["row_nll"]);

  const auto cached = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"compare", "-d", data(2), "-m", models, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome o = run(arguments);
    EXPECT_EQ(o.status, 0) << o.err;
    return Json::parse(o.out)["models"][0]["cached"].get<bool>();
  };
  EXPECT_TRUE(cached({}));
  EXPECT_FALSE(cached({"--precision", "bf16"}));
  EXPECT_FALSE(cached({"--no-cache"}));
  EXPECT_FALSE(cached({"-cc"}));
  EXPECT_TRUE(cached({}));
}

class WithReference : public Program {
 protected:
  /// Two models beside their reference; their divergences.
  std::vector<double> klds(std::vector<std::string> more = {}) {
    Json reference = entry("reference", base());
    reference["out_logits"] = "logits";
    std::vector<std::string> arguments = {
        "compare",
        "-d",
        data(4),
        "-m",
        models_file("models.json", {reference, entry("nvfp4", test::test_data() / "nvfp4"),
                                    entry("w4a16", test::test_data() / "w4a16")}),
        "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    last_ = run(arguments);
    EXPECT_EQ(last_.status, 0) << last_.err;
    std::vector<double> klds;
    const Json report = Json::parse(last_.out);
    for (const Json& model : report["models"])
      if (model["role"] == "model") klds.push_back(model["kld"]["mean"]);
    return klds;
  }

  bool said(const std::string& text) const { return last_.err.find(text) != std::string::npos; }

  std::vector<fs::path> cached(const char* kind) const {
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(dir_ / "cache/assay" / kind)) entries.push_back(entry.path());
    return entries;
  }
  std::vector<fs::path> kept() const { return cached("references"); }
  std::vector<fs::path> results() const { return cached("results"); }

  Outcome last_;
};

TEST_F(WithReference, TheReferenceIsRunOnceAndFoundAgain) {
  const std::vector<double> first = klds();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_GT(first[0], 0);
  EXPECT_TRUE(said("kept as a reference"));
  EXPECT_EQ(klds(), first);
  EXPECT_FALSE(said("Evaluating")) << "everything was known";
  fs::remove_all(dir_ / "cache/assay/results");
  EXPECT_EQ(klds({"-mask", "w4a16"}), std::vector<double>{first[1]});
  EXPECT_EQ(kept().size(), 1u);
}

TEST_F(WithReference, ModelsThatShareAPassKeepTheNumbersOfEachAlone) {
  const auto numbers = [this](size_t index) {
    Json model = Json::parse(last_.out)["models"][index];
    for (const char* cost : {"seconds", "tokens_per_second", "peak_rss_bytes", "stages"}) model.erase(cost);
    return model;
  };
  klds({"--no-cache"});
  EXPECT_TRUE(said("Tested: w4a16")) << "the models have waited for each other";
  const Json nvfp4 = numbers(1), w4a16 = numbers(2);
  klds({"--no-cache", "-mask", "nvfp4"});
  EXPECT_FALSE(said("Tested: "));
  EXPECT_EQ(numbers(1), nvfp4);
  klds({"--no-cache", "-mask", "w4a16"});
  EXPECT_EQ(numbers(1), w4a16);
  klds({"--no-cache", "--memory", "100M"});
  EXPECT_FALSE(said("Tested: ")) << "no memory for two";
}

TEST_F(WithReference, AModelWithADamagedHeadFailsAloneAmongThoseThatShareItsPass) {
  fs::copy(base(), dir_ / "damaged");
  std::string bytes = test::read_text(base() / "model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const size_t head = Json::parse(bytes.substr(8, header))["lm_head.weight"]["data_offsets"][0];
  bytes.replace(8 + header + head, 2, "\xc0\x7f");  // NaN
  test::write_text(dir_ / "damaged/model.safetensors", bytes);
  Json reference = entry("reference", base());
  reference["out_logits"] = "logits";
  const std::string models = models_file("models.json", {reference, entry("nvfp4", test::test_data() / "nvfp4"),
                                                         entry("damaged", dir_ / "damaged"), entry("base", base())});
  const Outcome o = run({"compare", "-d", data(2), "-m", models, "--json"});
  EXPECT_EQ(o.status, 1) << o.err;
  const Json report = Json::parse(o.out)["models"];
  ASSERT_EQ(report.size(), 4u);
  EXPECT_EQ(report[1]["status"], "ok");
  EXPECT_EQ(report[2]["label"], "damaged");
  expect_mentions(report[2]["error"], "NaN or Inf among the logits");
  EXPECT_EQ(report[3]["kld"]["mean"], 0.0);
}

TEST_F(WithReference, AnInterruptFinishesTheModelsThatHaveRun) {
  const Json rows = read_json(sampled());
  Json many = Json::array();
  for (int i = 0; i < 6; ++i) many.insert(many.end(), rows.begin(), rows.end());
  Json reference = entry("reference", base());
  reference["out_logits"] = "logits";
  const std::string models = models_file("models.json", {reference, entry("nvfp4", test::test_data() / "nvfp4"),
                                                         entry("w4a16", test::test_data() / "w4a16")});
  const std::string report = (dir_ / "report.json").string();
  const pid_t child = start({"compare", "-d", write("data.json", {{"token_rows", write("rows.json", many)}}), "-m",
                             models, "-o", report, "--threads", "1"});
  for (int i = 0; i < 12000 && !has_said("Testing: w4a16"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(read_json(report)["models"].size(), 1u) << "the second waits for the third";
  kill(child, SIGINT);
  const Outcome o = finish(child);
  EXPECT_EQ(o.status, 130) << o.err;
  const Json json = read_json(report);
  EXPECT_EQ(json["complete"], false);
  ASSERT_EQ(json["models"].size(), 2u);
  EXPECT_EQ(json["models"][1]["label"], "nvfp4");
  EXPECT_GT(json["models"][1]["kld"]["mean"], 0);
}

TEST_F(WithReference, WithoutACacheNothingIsLeftBehind) {
  const std::vector<double> first = klds();
  fs::remove_all(dir_ / "cache");
  const fs::path temporary = dir_ / "tmp";
  fs::create_directory(temporary);
  setenv("TMPDIR", temporary.c_str(), 1);
  EXPECT_EQ(klds({"--no-cache"}), first);
  unsetenv("TMPDIR");
  EXPECT_FALSE(fs::exists(dir_ / "cache"));
  EXPECT_TRUE(fs::is_empty(temporary));
}

TEST_F(WithReference, WhereTheCacheCannotTakeTheReferenceTheRunGoesOn) {
  const std::vector<double> first = klds();
  fs::remove_all(dir_ / "cache");
  fs::create_directories(dir_ / "cache/assay");
  test::write_text(dir_ / "cache/assay/references", "a file where the folder should be");
  EXPECT_EQ(klds(), first);
  EXPECT_TRUE(said("kept for this run only"));
}

TEST_F(WithReference, AReferenceThatCannotBeRunIsNotTriedForEachModel) {
  Json reference = entry("reference", base());
  reference["out_logits"] = "logits";
  const std::string models = models_file("models.json", {reference, entry("nvfp4", test::test_data() / "nvfp4"),
                                                         entry("w4a16", test::test_data() / "w4a16")});
  setenv("TMPDIR", (dir_ / "gone").c_str(), 1);
  const Outcome o = run({"compare", "-d", data(1), "-m", models, "--no-cache"});
  unsetenv("TMPDIR");
  EXPECT_EQ(o.status, 2);
  expect_mentions(o.err, "w4a16: the reference reference could not be run: ");
  EXPECT_EQ(o.out.find("Running the reference again"), std::string::npos) << o.out;
}

TEST_F(WithReference, ADamagedReferenceIsMadeAnew) {
  klds({"-mask", "w4a16"});
  const std::vector<fs::path> known = results();
  const std::vector<double> first = klds({"-mask", "nvfp4"});
  for (const char* what : {"flipped", "cut", "unsealed"}) {
    const fs::path tensors = kept().at(0) / "model.safetensors";
    if (what == std::string("flipped")) {
      std::string bytes = test::read_text(tensors);
      bytes[bytes.size() / 2] ^= 1;
      test::write_text(tensors, bytes);
    } else if (what == std::string("cut")) {
      fs::resize_file(tensors, fs::file_size(tensors) - 100);
    } else {
      fs::remove(kept().at(0) / "complete.json");
    }
    for (const fs::path& result : results())
      if (std::find(known.begin(), known.end(), result) == known.end()) fs::remove(result);
    EXPECT_EQ(klds({"-mask", "nvfp4"}), first) << what;
    EXPECT_TRUE(said("damaged reference, made anew")) << what << last_.err;
  }
}

TEST_F(WithReference, OldReferencesMakeRoomForNewOnes) {
  klds({"--reference-cache", "1"});
  klds({"--reference-cache", "1", "--precision", "bf16"});
  EXPECT_TRUE(said("removed an old reference"));
  EXPECT_EQ(kept().size(), 1u);
}

TEST_F(WithReference, TheNoiseFloorIsTheReferenceInTheOtherPrecision) {
  klds({"--noise-floor"});
  const Json models = Json::parse(last_.out)["models"];
  ASSERT_EQ(models.size(), 4u);
  EXPECT_EQ(models[1]["role"], "noise_floor");
  EXPECT_EQ(models[1]["precision"], "bf16");
  EXPECT_GT(models[1]["kld"]["mean"], 0);
  EXPECT_LT(models[1]["kld"]["mean"], models[2]["kld"]["mean"]);
}

TEST_F(WithReference, AFailedReferenceFailsWhatNeedsIt) {
  Json reference = entry("reference", dir_ / "gone");
  reference["out_logits"] = "logits";
  const std::string models = models_file("models.json", {reference, entry("nvfp4", test::test_data() / "nvfp4")});
  const Outcome o = run({"compare", "-d", data(1), "-m", models});
  EXPECT_EQ(o.status, 2);
  expect_mentions(o.err, "nvfp4: the reference reference could not be run");
}

TEST_F(WithReference, MemoryDoesNotGrowWithTheVocabulary) {
  const int64_t vocab = 262144, hidden = 64;
  std::mt19937 random(3);
  test::SafetensorsWriter writer;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols) {
    std::vector<uint16_t> values(static_cast<size_t>(rows * cols));
    for (uint16_t& v : values) v = static_cast<uint16_t>(0x3c00 | (random() & 0x81ff));  // bf16, up to 0.03
    writer.add("model." + name + ".weight", DType::BF16, {rows, cols}, values);
  };
  matrix("embed_tokens", vocab, hidden);
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
    matrix(fmt::format("layers.0.{}", name), hidden, hidden);
  for (const char* name : {"layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm"})
    writer.fill<uint16_t>(fmt::format("model.{}.weight", name), DType::BF16, {hidden}, 0x3f80);
  fs::create_directory(dir_ / "wide");
  writer.save(dir_ / "wide/model.safetensors");
  write("wide/config.json", {{"model_type", "llama"},
                             {"vocab_size", vocab},
                             {"hidden_size", hidden},
                             {"intermediate_size", hidden},
                             {"num_hidden_layers", 1},
                             {"num_attention_heads", 1},
                             {"tie_word_embeddings", true}});
  std::vector<std::vector<int32_t>> rows(8, std::vector<int32_t>(256));
  for (auto& row : rows)
    for (int32_t& id : row) id = static_cast<int32_t>(random() % vocab);
  const std::string model = (dir_ / "wide").string(), tokens = write("rows.json", rows);
  const Outcome o = run({"ppl", model, "--reference", model, "--tokens", tokens, "--json"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json models = Json::parse(o.out)["models"];
  EXPECT_EQ(models[1]["kld"]["mean"], 0.0);
  const Outcome alone = run({"ppl", model, "--tokens", tokens, "--json", "--no-cache"});
  const double without = Json::parse(alone.out)["models"][0]["peak_rss_bytes"];
  EXPECT_LT(models[1]["peak_rss_bytes"].get<double>() - without, 300.0 * (1 << 20));
}

TEST_F(WithReference, AskingForDivergenceNeedsOne) {
  const Outcome o = run({"compare", "-d", data(1), "-m", models_file("m.json", {entry("a", base())}), "-kld"});
  EXPECT_EQ(o.status, 2);
  expect_mentions(o.err, "out_logits");
}

TEST_F(Program, AProjectFileIsRunAsQbenchWould) {
  ASSAY_REQUIRE_SHARED_DATA();
  test::write_text(dir_ / "p.yaml",
                   "test_data: {source: wiki2, rows: 2, length: 128}\n"
                   "tokenizer: {source: " +
                       base().string() +
                       "}\n"
                       "logit_cache: {dir: kept}\n"
                       "models:\n"
                       "  - {label: A, group: NVFP4, engine: transformers, source: " +
                       (test::test_data() / "nvfp4").string() +
                       "}\n"
                       "  - {label: B, group: reference, engine: transformers, source: " +
                       base().string() +
                       "}\n"
                       "output: {results: report/results.json, plot_kld: charts/kld.svg, plot_kld_hist: {file: "
                       "charts/h.png, x_log: false}}\n");
  const std::string project = (dir_ / "p.yaml").string(), where = test::shared_data().string();
  const Outcome o = run({"run", project, "--data-dir", where});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_NE(test::read_text(dir_ / "charts/kld.svg").find("<svg"), std::string::npos);
  EXPECT_TRUE(fs::exists(dir_ / "charts/h.png"));
  const Json models = read_json(dir_ / "report/results.json")["models"];
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0]["role"], "reference");
  EXPECT_EQ(models[1]["role"], "noise_floor");
  EXPECT_GT(models[1]["kld"]["mean"], 0);
  EXPECT_LT(models[1]["kld"]["mean"], models[2]["kld"]["mean"]);
  EXPECT_TRUE(fs::exists(dir_ / "kept/assay/references"));

  std::string text = test::read_text(dir_ / "p.yaml");
  test::write_text(dir_ / "p.yaml", text.replace(text.find("rows: 2"), 7, "rows: 9999"));
  const Outcome more = run({"run", project, "--data-dir", where});
  EXPECT_EQ(more.status, 2);
  expect_mentions(more.err, "9999 rows were asked for");
}

TEST_F(Program, LayersSaysWhereTheErrorComesFrom) {
  const std::string model = (test::test_data() / "nvfp4").string();
  for (const std::string name : {"layers.json", "layers.csv"}) {
    const Outcome o = run({"layers", base().string(), model, "--tokens", sampled().string(), "--rows", "2", "-o",
                           (dir_ / name).string()});
    ASSERT_EQ(o.status, 0) << o.err;
    expect_mentions(o.out, "The linears that hurt most");
    expect_mentions(o.out, "mlp.down_proj");
  }
  const Json json = read_json(dir_ / "layers.json");
  EXPECT_EQ(json["schema"], "assay.layers/1");
  EXPECT_EQ(json["layers"].size(), 3u);
  EXPECT_GT(json["layers"][2]["cumulative"], 0);
  const std::string csv = test::read_text(dir_ / "layers.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 8);
}

TEST_F(Program, MaskSelectsModels) {
  const std::string models = models_file("models.json", {entry("AWQ 4-bit", dir_ / "gone"), entry("base", base())});
  const Outcome o = run({"compare", "-d", data(1), "-m", models, "-mask", "BASE", "--json"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(Json::parse(o.out)["models"].size(), 1u);
}

TEST_F(Program, AnInterruptStopsSoonAndLeavesAValidReport) {
  Json rows = read_json(sampled());
  Json many = Json::array();
  for (int i = 0; i < 200; ++i) many.insert(many.end(), rows.begin(), rows.end());
  const std::string data = write("data.json", {{"token_rows", write("rows.json", many)}});
  const std::string models = models_file("models.json", {entry("gone", dir_ / "gone"), entry("base", base())});
  const std::string report = (dir_ / "report.json").string();
  const pid_t child = start({"compare", "-d", data, "-m", models, "-o", report, "--threads", "1"});
  for (int i = 0; i < 600 && !has_said("Testing: base"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  kill(child, SIGINT);
  const Outcome o = finish(child);
  EXPECT_EQ(o.status, 130) << o.err;
  expect_mentions(o.err, "interrupted");
  const Json json = read_json(report);
  EXPECT_EQ(json["complete"], false);
  ASSERT_EQ(json["models"].size(), 1u);
  EXPECT_EQ(json["models"][0]["label"], "gone");
}

TEST_F(Program, AClosedPipeIsAnErrorAndNotACrash) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(open((dir_ / "err").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), STDERR_FILENO);
    execl(test::assay_binary().c_str(), "assay", "formats", nullptr);
    _exit(127);
  }
  close(ends[1]);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 2);
}

TEST_F(Program, InspectReadsBitsFromHeaders) {
  const Outcome o = run({"inspect", base().string(), "--layers"});
  ASSERT_EQ(o.status, 0) << o.err;
  expect_mentions(o.out, "dense/bf16");
  expect_mentions(o.out, "layer 2");
  const Json json = Json::parse(run({"inspect", "--json", base().string()}).out);
  EXPECT_EQ(json["models"][0]["bits"]["decoder"]["bits"], 37748736);
  EXPECT_EQ(json["models"][0]["tensors"]["lm_head.weight"]["shape"], Json({1024, 256}));
}

TEST_F(Program, InspectHashesTheDecodedWeightsOfTheFixtures) {
  ASSAY_REQUIRE_FIXTURES();
  for (const std::string name : {"base", "compressed_tensors/nvfp4", "compressed_tensors/w4a16"}) {
    SCOPED_TRACE(name);
    const fs::path model = test::fixtures() / name;
    const Outcome o = run({"inspect", "--json", "--sha256", model.string()});
    ASSERT_EQ(o.status, 0) << o.err;
    const Json tensors = Json::parse(o.out)["models"][0]["tensors"];
    const Json expected = read_json(model / "expected.json")["decoded"];
    EXPECT_EQ(tensors.size(), expected.size());
    for (const auto& [tensor, golden] : expected.items()) {
      EXPECT_EQ(tensors[tensor]["shape"], golden["shape"]) << tensor;
      EXPECT_EQ(tensors[tensor]["sha256"], golden["sha256_f32le"]) << tensor;
    }
  }
}

TEST_F(Program, AnExportAsF32PredictsWhatTheQuantizedWeightsPredict) {
  const std::string model = (test::test_data() / "nvfp4").string(), plain = (dir_ / "plain").string();
  const Outcome exported = run({"export", model, "--to", plain, "--dtype", "f32"});
  ASSERT_EQ(exported.status, 0) << exported.err;
  expect_mentions(exported.out, "plain");
  expect_mentions(exported.err, "weights only");
  Json results[2];
  for (int i = 0; i < 2; ++i) {
    const Outcome o = run({"ppl", i == 0 ? model : plain, "--tokens", sampled().string(), "--rows", "2",
                           "--activations", "none", "--json", "--no-cache"});
    ASSERT_EQ(o.status, 0) << o.err;
    results[i] = Json::parse(o.out)["models"][0]["row_nll"];
  }
  EXPECT_EQ(results[0].size(), 2u);
  EXPECT_EQ(results[0], results[1]);
}

TEST_F(Program, TheFormatsPageIsWhatTheRegistrySays) {
  const auto page = test::test_data().parent_path().parent_path() / "docs/formats.md";
  EXPECT_EQ(run({"formats", "--markdown"}).out, test::read_text(page)) << "run `make docs`";
}

TEST_F(Program, ListsAndHelpAreOnStdout) {
  expect_mentions(run({"formats"}).out, "nvfp4-pack-quantized");
  expect_mentions(run({"formats", "gptqmodel"}).out, "gptq_v2");
  EXPECT_EQ(Json::parse(run({"formats", "--json", "BitsAndBytesConfig"}).out).size(), 2u);
  EXPECT_EQ(Json::parse(run({"formats", "--json", "bitsandbytes_4bit"}).out).size(), 1u);
  EXPECT_EQ(Json::parse(run({"formats", "--json", "Q4_K"}).out)[0]["family"], "gguf");
  EXPECT_GT(Json::parse(run({"formats", "--json", "nvfp4"}).out).size(), 3u);
  expect_mentions(run({"formats", "HiggsConfig"}).err, "known, but not decoded");
  expect_mentions(run({"formats", "gptqmodl"}).err, "did you mean gptqmodel?");
  EXPECT_GT(Json::parse(run({"formats", "--json"}).out).size(), 5u);
  expect_mentions(run({"architectures"}).out, "llama\n");
  expect_mentions(run({"--help"}).out, "Usage: assay COMMAND");
  expect_mentions(run({"--version"}).out, "assay ");
  const Outcome bad = run({"inspekt"});
  EXPECT_EQ(bad.status, 2);
  EXPECT_EQ(bad.out, "");
  expect_mentions(bad.err, "assay: error: unknown command \"inspekt\"; did you mean \"inspect\"?");
}

}  // namespace
}  // namespace assay
