#include <cmath>
#include <nlohmann/json.hpp>

#include "forward/evaluate.h"
#include "model/config.h"
#include "support/gguf_conversion.h"
#include "support/support.h"

// What llama.cpp's converter makes of a checkpoint is the same model.
namespace assay {
namespace {

std::vector<float> logits_of(const std::filesystem::path& model, const std::vector<int32_t>& ids) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  EXPECT_EQ(checkpoint.notes(), std::vector<std::string>{});
  EXPECT_EQ(spec.notes, std::vector<std::string>{});
  ThreadPool pool(2);
  const auto device = open_device("cpu", pool);
  return trace(*device, {&checkpoint, &quant, &spec}, ids, {}).logits;
}

class GgufConversion : public testing::TestWithParam<test::GgufConversion> {};

TEST_P(GgufConversion, GivesTheLogitsOfTheSafetensorsThatItWasMadeFrom) {
  ASSAY_REQUIRE_FIXTURES();
  const test::TempDir dir;
  test::convert_fixture(GetParam(), dir.path());
  const Json expected = read_json(test::fixtures() / "architectures" / GetParam().fixture / "expected.json");
  const auto ids = expected.at("input_ids").at(0).get<std::vector<int32_t>>();
  const std::vector<float> plain = logits_of(dir / "plain", ids), ours = logits_of(dir / "model.gguf", ids);
  ASSERT_EQ(ours.size(), plain.size());
  double largest = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::fabs(double{ours[i]} - plain[i]);
    if (!(difference <= largest)) largest = difference;
  }
  EXPECT_LE(largest, GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GgufConversion, testing::ValuesIn(test::gguf_conversions()),
                         [](const auto& info) { return test::name_of(info.param); });

}  // namespace
}  // namespace assay
