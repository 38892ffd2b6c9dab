#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "made_files.h"
#include "support/support.h"

namespace assay {
namespace fs = std::filesystem;

namespace {

/// Folders of the ground truth that hold a model.
std::vector<fs::path> models() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(test::fixtures())) {
    if (entry.path().filename() == "config.json") out.push_back(entry.path().parent_path());
  }
  return out;
}

bool has_tensors(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name == "model.safetensors" || name.starts_with("gptq_model-")) return true;
  }
  return false;
}

TEST(Fixtures, EveryModelOpensAndItsFirstAndLastBytesAreReadable) {
  ASSAY_REQUIRE_FIXTURES();
  int opened = 0;
  for (const fs::path& folder : models()) {
    if (!has_tensors(folder)) continue;
    SCOPED_TRACE(folder);
    const Checkpoint checkpoint = Checkpoint::open(folder);
    EXPECT_FALSE(checkpoint.tensors().empty());
    EXPECT_TRUE(checkpoint.config().contains("model_type") || checkpoint.config().contains("architectures"));
    for (const auto& [name, tensor] : checkpoint.tensors()) {
      if (tensor.bytes == 0) continue;
      std::byte ends[2];
      checkpoint.read(tensor, 0, std::span(ends, 1));
      checkpoint.read(tensor, tensor.bytes - 1, std::span(ends + 1, 1));
    }
    ++opened;
  }
  EXPECT_GT(opened, 100);
}

TEST(Fixtures, TensorsOfTheBaseModelHaveTheirKnownPlaces) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint checkpoint = Checkpoint::open(test::fixtures() / "base");
  const StoredTensor& embedding = checkpoint.at("model.embed_tokens.weight");
  EXPECT_EQ(embedding.describe(), "BF16 [1024, 256]");
  EXPECT_EQ(embedding.bytes, 1024u * 256 * 2);
  EXPECT_EQ(checkpoint.config().at("hidden_size"), 256);
}

TEST(Fixtures, TensorsOfTheBaseModelHaveTheirGoldenHashes) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint checkpoint = Checkpoint::open(test::fixtures() / "base");
  const Json golden = read_json(test::fixtures() / "base/expected.json").at("decoded");
  ASSERT_FALSE(golden.empty());
  for (const auto& [name, expected] : golden.items()) {
    SCOPED_TRACE(name);
    const StoredTensor& tensor = checkpoint.at(name);
    EXPECT_EQ(Json(tensor.shape), expected.at("shape"));
    ASSERT_EQ(tensor.dtype, DType::BF16);
    // float32 is bf16 with 16 more bits of zero.
    Sha256 hash;
    for (size_t i = 0; const std::byte byte : checkpoint.read(tensor)) {
      if (i++ % 2 == 0) hash.update("\0\0", 2);
      hash.update(&byte, 1);
    }
    EXPECT_EQ(hash.hex(), expected.at("sha256_f32le"));
  }
}

TEST(Fixtures, AnOldGptqNameIsFoundBesideOtherFiles) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint checkpoint = Checkpoint::open(test::fixtures() / "gptq/w3_g32_asym_actorder_old_config");
  ASSERT_EQ(checkpoint.files().size(), 1u);
  EXPECT_EQ(checkpoint.files()[0].path.filename(), "gptq_model-3bit-32g.safetensors");
  EXPECT_TRUE(checkpoint.json_file("quantize_config.json").has_value());
}

TEST(Fixtures, AModelInAPickleIsRefusedWithAWayOut) {
  ASSAY_REQUIRE_FIXTURES();
  const std::string message =
      test::error_of([] { Checkpoint::open(test::fixtures() / "anyprecision/anyprec-3to5-bin"); });
  test::expect_contains(message, "pytorch_model.bin");
  test::expect_contains(message, "never loaded");
}

}  // namespace
}  // namespace assay
