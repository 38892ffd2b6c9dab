#include "formats/shared/activation.h"

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "formats/format.h"
#include "support/support.h"

namespace assay {
namespace {

/// Pairs "<name>" and "<name>_qdq" of real activations, as the formats' own library quantized them.
class EveryActivation : public testing::TestWithParam<std::string> {};

TEST_P(EveryActivation, IsQuantizedBitForBitLikeTheLibrary) {
  ASSAY_REQUIRE_FIXTURES();
  const auto dir = test::fixtures() / "compressed_tensors" / GetParam();
  const Checkpoint checkpoint = Checkpoint::open(dir);
  const Checkpoint pairs = Checkpoint::open(dir / "activations" / "qdq.safetensors");
  const QuantConfig config = QuantConfig::of(checkpoint);
  int compared = 0;
  for (const auto& [name, golden] : pairs.tensors()) {
    if (!name.ends_with("_qdq")) continue;
    const std::string source = name.substr(0, name.size() - 4);
    const std::string module = source.substr(0, source.rfind('.'));
    ActivationQuant quant;
    if (source.ends_with(".input")) {
      quant = open_weight({checkpoint, config, module})->input_quant();
    } else {
      const AttentionQuant attention = open_attention_quant(checkpoint, config, module);
      quant = source.ends_with(".k") ? attention.k : attention.v;
    }
    EXPECT_TRUE(quant.active()) << source;
    std::vector<float> values = read_floats(pairs, pairs.at(source));
    const std::vector<float> expected = read_floats(pairs, golden);
    const int64_t cols = golden.shape.back();
    for (size_t at = 0; at < values.size(); at += cols) quantize_activations(quant, values.data() + at, cols);
    int64_t different = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      different += std::bit_cast<uint32_t>(values[i]) != std::bit_cast<uint32_t>(expected[i]);
    }
    EXPECT_EQ(different, 0) << source;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryActivation,
                         testing::Values("fp8_block", "fp8_dynamic", "fp8_kv", "int_misc", "mixed_block_mx",
                                         "mixed_nvfp4_fp8", "moe_nvfp4", "mxfp4", "mxfp6_ct020", "nvfp4", "quip_w4a8",
                                         "sparse24_fp8", "w8a8"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace assay
