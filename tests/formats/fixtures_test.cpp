#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "formats/format.h"
#include "support/format_fixtures.h"
#include "support/support.h"

// Every weight that the formats' own tools wrote, against the hash of what those tools read from it.
namespace assay {
namespace {

struct Fixture {
  std::filesystem::path dir;
  Json expected;
  Checkpoint checkpoint;
  QuantConfig config;

  explicit Fixture(const std::string& name)
      : dir(test::fixtures() / name),
        expected(read_json(dir / "expected.json")),
        checkpoint(Checkpoint::open(test::fixture_model(name))),
        config(QuantConfig::of(checkpoint)) {}

  std::unique_ptr<StoredWeight> open(std::string tensor) const {
    ASSAY_CHECK(tensor.ends_with(".weight"));
    const auto shape = expected["decoded"][tensor]["shape"].get<std::vector<int64_t>>();
    tensor.resize(tensor.size() - 7);
    const bool embedding = tensor.ends_with("embed_tokens");
    return open_weight({checkpoint, config, tensor, embedding ? Module::Kind::embedding : Module::Kind::linear,
                        Module::Size{shape.at(0), shape.at(1)}});
  }
};

std::vector<float> decode_in_tiles(const StoredWeight& weight, int64_t tile) {
  std::vector<float> values(weight.rows() * weight.cols());
  for (int64_t row = 0; row < weight.rows(); row += tile) {
    weight.decode(row, std::min(row + tile, weight.rows()), values.data() + row * weight.cols());
  }
  return values;
}

std::string hash_of(const std::vector<float>& values) {
  Sha256 hash;
  hash.update(values.data(), values.size() * sizeof(float));
  return hash.hex();
}

class EveryFixture : public testing::TestWithParam<std::string> {};

TEST_P(EveryFixture, DecodesToTheGoldenBits) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture(GetParam());
  ASSERT_FALSE(fixture.expected["decoded"].empty());
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    const auto weight = fixture.open(name);
    EXPECT_EQ(golden["shape"], Json({weight->rows(), weight->cols()})) << name;
    EXPECT_EQ(golden["sha256_f32le"], hash_of(decode_in_tiles(*weight, weight->rows()))) << name;
  }
}

TEST_P(EveryFixture, DecodesTheSameInTilesOfOddSizes) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture(GetParam());
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    if (name.find("layers.0.") == std::string::npos && name.find("layers") != std::string::npos) continue;
    EXPECT_EQ(golden["sha256_f32le"], hash_of(decode_in_tiles(*fixture.open(name), 37))) << name;
  }
}

TEST_P(EveryFixture, CountsEveryStoredBitOfTheWeights) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture(GetParam());
  uint64_t decoder_bits = 0, decoder_weights = 0, head_bits = 0;
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    const auto weight = fixture.open(name);
    uint64_t bits = 0;
    for (const StoredPart& part : weight->parts()) bits += counts_as_weight(part.role) ? 8 * part.tensor->bytes : 0;
    const bool tied = !fixture.expected["decoded"].contains("lm_head.weight");
    if (name == (tied ? "model.embed_tokens.weight" : "lm_head.weight")) head_bits = bits;
    if (name.find(".layers.") == std::string::npos) continue;
    decoder_bits += bits;
    decoder_weights += weight->rows() * weight->cols();
  }
  const Json& storage = fixture.expected["storage"];
  EXPECT_EQ(storage["decoder_bits"], decoder_bits);
  EXPECT_EQ(storage["decoder_weights"], decoder_weights);
  EXPECT_EQ(storage["head_bits"], head_bits);
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFixture, testing::ValuesIn(test::format_fixtures()), test::fixture_name);

TEST(GptOssExperts, DecodeToTheTransposeOfTheGoldenBits) {
  ASSAY_REQUIRE_FIXTURES();
  const Fixture fixture("mxfp4/gptoss-3x2");
  int compared = 0;
  for (const auto& [name, golden] : fixture.expected["decoded"].items()) {
    if (!name.ends_with("experts.gate_up_proj") && !name.ends_with("experts.down_proj")) continue;
    const auto shape = golden["shape"].get<std::vector<int64_t>>();
    const int64_t in = shape[1], out = shape[2];
    const auto weight = open_weight({fixture.checkpoint, fixture.config, name});
    EXPECT_EQ(weight->format(), "mxfp4/experts");
    ASSERT_EQ(weight->rows(), shape[0] * out) << name;
    ASSERT_EQ(weight->cols(), in) << name;
    const std::vector<float> values = decode_in_tiles(*weight, 1000);
    std::vector<float> transposed(values.size());
    for (int64_t row = 0; row < weight->rows(); ++row) {
      for (int64_t c = 0; c < in; ++c) transposed[(row / out * in + c) * out + row % out] = values[row * in + c];
    }
    EXPECT_EQ(golden["sha256_f32le"], hash_of(transposed)) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 6);
}

}  // namespace
}  // namespace assay
