#include "cli/model_spec_file.h"

#include "base/error.h"
#include "support/support.h"

namespace assay {
namespace {

std::string entry(const std::string& label, const std::string& more = "") {
  return R"({"load_fn": "transformers", "fwd_fn": "transformers", "model_dir": "m", "label": ")" + label + '"' + more +
         "}";
}

/// The message of the Error that reading this spec throws.
std::string refusal(const std::string& text) {
  const test::TempDir dir;
  test::write_text(dir / "models.json", text);
  try {
    read_model_specs({(dir / "models.json").string()});
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

std::vector<std::string> labels(const std::vector<ModelEntry>& models) {
  std::vector<std::string> out;
  for (const ModelEntry& model : models) out.push_back(model.label);
  return out;
}

using Labels = std::vector<std::string>;

TEST(ModelSpecFile, ReadsTheExample) {
  ASSAY_REQUIRE_FIXTURES();
  const ModelList list = read_model_specs({(test::fixtures() / "specs/models_small.json").string()});
  ASSERT_EQ(list.models.size(), 5u);
  EXPECT_TRUE(list.models[0].reference);
  EXPECT_EQ(list.models[3].label, "EXL3 3.0bpw H6 ");
  EXPECT_EQ(list.models[3].model_dir,
            (std::vector<std::filesystem::path>{"/models/demo/exl3/3.0bpw", "/models/demo/exl3/override.safetensors"}));
  EXPECT_EQ(list.models[4].override_bpw_layer, 4.5);
  EXPECT_EQ(list.models[4].override_bpw_head, 16.0);
  EXPECT_EQ(list.models[4].override_vram_bits, 38654705664.0);
  EXPECT_FALSE(list.models[1].override_bpw_layer);
  EXPECT_TRUE(list.notes.empty());
}

TEST(ModelSpecFile, JoinsFilesInOrderAndExpandsSortedPatterns) {
  const test::TempDir dir;
  test::write_text(dir / "b.json", "[" + entry("B") + "]");
  test::write_text(dir / "a.json", "[" + entry("A1") + "," + entry("A2") + "]");
  test::write_text(dir / "first.json", "[" + entry("first") + "]");
  const ModelList list = read_model_specs({(dir / "first.json").string(), (dir / "?.json").string()});
  EXPECT_EQ(labels(list.models), (Labels{"first", "A1", "A2", "B"}));
  EXPECT_THROW(read_model_specs({(dir / "none*.json").string()}), Error);
}

TEST(ModelSpecFile, TakesRelativePathsFromTheSpec) {
  const test::TempDir dir;
  test::write_text(dir / "models.json", "[" + entry("A") + "]");
  EXPECT_EQ(read_model_specs({(dir / "models.json").string()}).models[0].model_dir[0], dir / "m");
}

TEST(ModelSpecFile, MovesTheReferenceToTheFront) {
  const test::TempDir dir;
  test::write_text(dir / "models.json",
                   "[" + entry("A") + "," + entry("B") + "," + entry("R", R"(, "out_logits": "logits")") + "]");
  EXPECT_EQ(labels(read_model_specs({(dir / "models.json").string()}).models), (Labels{"R", "A", "B"}));
}

TEST(ModelSpecFile, RefusesTwoReferences) {
  const std::string reference = R"(, "out_logits": "x")";
  const std::string message = refusal("[" + entry("A", reference) + "," + entry("B", reference) + "]");
  EXPECT_NE(message.find("\"A\" and \"B\""), std::string::npos) << message;
}

TEST(ModelSpecFile, NamesTheNearestKeyOfAMisspeltOne) {
  const std::string message = refusal("[" + entry("A") + "," + entry("B", R"(, "overide_bpw_layer": 4)") + "]");
  EXPECT_NE(message.find("model 2"), std::string::npos) << message;
  EXPECT_NE(message.find("did you mean \"override_bpw_layer\"?"), std::string::npos) << message;
}

TEST(ModelSpecFile, IgnoresAForeignKeyWithANote) {
  const test::TempDir dir;
  test::write_text(dir / "models.json", "[" + entry("A", R"(, "_remark": "from the card")") + "]");
  const ModelList list = read_model_specs({(dir / "models.json").string()});
  ASSERT_EQ(list.notes.size(), 1u);
  EXPECT_NE(list.notes[0].find("_remark"), std::string::npos);
}

TEST(ModelSpecFile, AcceptsAnyPairOfKnownEnginesAndListsThemForAnUnknownOne) {
  EXPECT_EQ(refusal(R"([{"load_fn": "qtip", "fwd_fn": "llamacpp", "label": "A", "model_dir": "m"}])"), "accepted");
  const std::string message = refusal(R"([{"load_fn": "vllm", "fwd_fn": "qtip", "label": "A", "model_dir": "m"}])");
  EXPECT_NE(message.find("\"vllm\""), std::string::npos) << message;
  EXPECT_NE(message.find("transformers_auto_bf16"), std::string::npos) << message;
}

TEST(ModelSpecFile, RefusesWhatIsNotAListOfModels) {
  EXPECT_NE(refusal(entry("A")).find("JSON array"), std::string::npos);
  EXPECT_NE(refusal("[]").find("no models"), std::string::npos);
  EXPECT_NE(refusal("[1]").find("model 1"), std::string::npos);
  EXPECT_NE(refusal("[{").find("not valid JSON"), std::string::npos);
  EXPECT_NE(refusal(R"([{"load_fn": "qtip", "fwd_fn": "qtip", "model_dir": "m"}])").find("\"label\" is missing"),
            std::string::npos);
  EXPECT_NE(refusal(R"([{"load_fn": "qtip", "fwd_fn": "qtip", "label": "A", "model_dir": []}])").find("model_dir"),
            std::string::npos);
  EXPECT_NE(refusal("[" + entry("A", R"(, "override_bpw_head": "16")") + "]").find("override_bpw_head"),
            std::string::npos);
  EXPECT_NE(refusal("[" + entry("A", R"(, "override_bpw_head": -1)") + "]").find("not negative"), std::string::npos);
}

TEST(Mask, KeepsLabelsWithAnyPartInAnyCaseAndTheReference) {
  std::vector<ModelEntry> models(4);
  models[0].label = "HF BF16";
  models[0].reference = true;
  models[1].label = "AWQ 4-bit";
  models[2].label = "GGUF Q4_K_M";
  models[3].label = "EXL3";
  EXPECT_EQ(labels(masked(models, "awq;q4_k")), (Labels{"HF BF16", "AWQ 4-bit", "GGUF Q4_K_M"}));
  EXPECT_EQ(labels(masked(models, "hf")), (Labels{"HF BF16"}));
  EXPECT_EQ(labels(masked(models, "")), labels(models));
  EXPECT_EQ(labels(masked(models, "exl3;")), (Labels{"HF BF16", "EXL3"}));
  EXPECT_THROW(masked(models, "nvfp4"), Error);
}

}  // namespace
}  // namespace assay
