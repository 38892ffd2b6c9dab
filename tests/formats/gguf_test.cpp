#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "checkpoint/gguf.h"
#include "formats/format.h"
#include "formats/gguf/decode.h"
#include "formats/gguf/runtime.h"
#include "formats/shared/minifloat.h"
#include "support/errors.h"
#include "support/gguf_writer.h"
#include "support/support.h"

namespace assay {
namespace {

using test::GgufWriter;

/// A llama of 2 heads of `rows` / 2, in which nothing but the queries of its layer are there.
GgufWriter with_queries(uint32_t type, uint64_t rows, uint64_t cols, const std::string& bytes) {
  GgufWriter writer;
  writer.add("general.architecture", "llama").add("llama.block_count", uint32_t{1});
  writer.add("llama.embedding_length", static_cast<uint32_t>(rows)).add("llama.attention.head_count", uint32_t{2});
  writer.tensor("token_embd.weight", {1, 1}, {0}).tensor("blk.0.attn_q.weight", type, {rows, cols}, bytes);
  return writer;
}

class GgufWeights : public testing::Test {
 protected:
  std::vector<float> decode(const GgufWriter& writer, int64_t begin, int64_t end) {
    writer.save(dir_ / "m.gguf");
    const Checkpoint checkpoint = Checkpoint::open(dir_ / "m.gguf");
    const QuantConfig config = QuantConfig::of(checkpoint);
    const auto weight = open_weight({checkpoint, config, "model.layers.0.self_attn.q_proj"});
    format_ = weight->format();
    std::vector<float> values(static_cast<size_t>((end - begin) * weight->cols()));
    weight->decode(begin, end, values.data());
    return values;
  }
  test::TempDir dir_;
  std::string format_;
};

constexpr uint16_t kHalfOne = 0x3C00;

TEST_F(GgufWeights, RowsComeBackInTheOrderOfTheModelWhateverTheTile) {
  constexpr int64_t kRows = 64, kHalf = 16;
  std::string blocks;
  for (int64_t row = 0; row < kRows; ++row) {
    blocks += GgufWriter().number(kHalfOne) + std::string(32, static_cast<char>(row));
  }
  const GgufWriter writer = with_queries(8, kRows, 32, blocks);
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 64}, {0, 1}, {5, 21}, {30, 35}, {63, 64}}) {
    const std::vector<float> values = decode(writer, begin, end);
    EXPECT_EQ(format_, "gguf/Q8_0");
    for (int64_t row = begin; row < end; ++row) {
      const int64_t head = row / (2 * kHalf), half = row / kHalf % 2, pair = row % kHalf;
      const auto stored = static_cast<float>(head * 2 * kHalf + 2 * pair + half);
      for (int64_t c = 0; c < 32; ++c) ASSERT_EQ(values[(row - begin) * 32 + c], stored) << row;
    }
  }
}

TEST_F(GgufWeights, PlainOnesAreOrderedTheSameWay) {
  const GgufWriter writer = with_queries(0, 8, 1, {});
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += writer.number(static_cast<float>(i));
  EXPECT_EQ(decode(with_queries(0, 8, 1, bytes), 0, 8), (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(format_, "dense/f32");
}

TEST_F(GgufWeights, AFactorBesideAnNvfp4WeightMultipliesIt) {
  const std::string block = std::string(4, '\x38') + std::string(32, '\x22');  // scales 1, every weight 1
  GgufWriter writer = with_queries(40, 4, 64, block + block + block + block);
  EXPECT_EQ(decode(writer, 0, 4), std::vector<float>(256, 1));
  writer.tensor("blk.0.attn_q.scale", {1}, {0.25f});
  EXPECT_EQ(decode(writer, 0, 4), std::vector<float>(256, 0.25f));
}

TEST_F(GgufWeights, VectorsAreOrderedAndShiftedToo) {
  GgufWriter writer = with_queries(0, 8, 1, std::string(32, '\0'));
  writer.tensor("blk.0.attn_q.bias", {8}, {0, 1, 2, 3, 4, 5, 6, 7});
  writer.save(dir_ / "m.gguf");
  const Checkpoint checkpoint = Checkpoint::open(dir_ / "m.gguf");
  EXPECT_EQ(read_floats(checkpoint, checkpoint.at("model.layers.0.self_attn.q_proj.bias")),
            (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
}

TEST(LlamaCppActivations, FollowTheTypeOfTheWeight) {
  const test::TempDir dir;
  with_queries(0, 4, 1, std::string(16, '\0')).save(dir / "m.gguf");
  const Checkpoint checkpoint = Checkpoint::open(dir / "m.gguf");
  const QuantConfig plain = QuantConfig::of(checkpoint), runtime = gguf::llama_cpp_runtime();
  const auto rounded = [&](DType weight, std::vector<float> x) {
    const ActivationQuant quant = gguf::input_quant({checkpoint, runtime, "m"}, weight);
    quantize_activations(quant, x.data(), static_cast<int64_t>(x.size()));
    return x;
  };
  EXPECT_FALSE(gguf::input_quant({checkpoint, plain, "m"}, DType::Q4_0).active());
  EXPECT_FALSE(gguf::input_quant({checkpoint, runtime, "m"}, DType::F32).active());
  EXPECT_EQ(rounded(DType::F16, {2049, 0.1f}), (std::vector<float>{2048, 0.0999755859375f}));
  EXPECT_EQ(rounded(DType::BF16, {257, 1}), (std::vector<float>{256, 1}));
  std::vector<float> x(64, 1);
  x[0] = -100;
  // 100 / 127 is 0.78740 in float32 and 0.78759765625 in f16: codes by the one, back by the other.
  std::vector<float> expected(64, 0.78759765625f);
  expected[0] = -127 * 0.78759765625f;
  const float one = 127 * round_to_f16(1.0f / 127);
  std::fill(expected.begin() + 32, expected.end(), one);
  EXPECT_EQ(rounded(DType::Q4_0, x), expected);
  // One scale for all 256 there, in float32.
  x.resize(256, 1);
  const std::vector<float> k = rounded(DType::Q4_K, x);
  EXPECT_FLOAT_EQ(k[0], -100);
  EXPECT_FLOAT_EQ(k[255], 100.0f / 127);
  EXPECT_EQ(rounded(DType::Q4_K, std::vector<float>(256, 0)), std::vector<float>(256, 0));
  EXPECT_EQ(rounded(DType::Q8_0, std::vector<float>(32, 1e-42f)), std::vector<float>(32, 0));
}

/// Every tensor of the fixture decoded on its own, by its name in the file.
TEST(GgufBlocks, RandomBlocksOfEveryTypeDecodeToTheGoldenBits) {
  ASSAY_REQUIRE_FIXTURES();
  const auto dir = test::fixtures() / "gguf/blocks";
  const GgufHeader header = read_gguf(dir / "model.gguf");
  const InputFile file(dir / "model.gguf");
  const Checkpoint goldens = Checkpoint::open(dir / "decoded.safetensors");
  int compared = 0;
  for (const auto& [name, tensor] : header.tensors) {
    const Block block = block_of(tensor.dtype);
    std::vector<std::byte> bytes(tensor.bytes);
    file.read(tensor.offset, bytes);
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    gguf::decode_blocks(tensor.dtype, reinterpret_cast<const uint8_t*>(bytes.data()),
                        tensor.elements() / block.elements, values.data());
    const std::vector<float> golden = read_floats(goldens, goldens.at(name));
    ASSERT_EQ(values.size(), golden.size());
    int64_t differing = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      // Zeros may differ in sign.
      differing += values[i] != golden[i] && !(std::isnan(values[i]) && std::isnan(golden[i]));
    }
    EXPECT_EQ(differing, 0) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 25);
}

}  // namespace
}  // namespace assay
