#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "formats/made_checkpoint.h"

// Rotations, attention, weights quantized on reading: what a checkpoint declares beside its stored codes.
namespace assay {
namespace {

using test::MadeCheckpoint;
using test::one_group;
using test::SafetensorsWriter;

std::vector<float> decode(const StoredWeight& weight) {
  std::vector<float> values(weight.rows() * weight.cols());
  weight.decode(0, weight.rows(), values.data());
  return values;
}

/// y = x W^T for every block of n values of every row.
std::vector<float> transform_rows(const std::vector<float>& rows, const std::vector<float>& weight, int64_t n) {
  std::vector<float> out(rows.size());
  for (size_t block = 0; block < rows.size(); block += n) {
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k) sum += double{rows[block + k]} * weight[i * n + k];
      out[block + i] = static_cast<float>(sum);
    }
  }
  return out;
}

std::vector<float> transposed(const std::vector<float>& matrix, int64_t rows, int64_t cols) {
  std::vector<float> out(matrix.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[c * rows + r] = matrix[r * cols + c];
  }
  return out;
}

double relative_distance(const std::vector<float>& a, const std::vector<float>& b) {
  double distance = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    distance += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(distance / norm);
}

TEST(Transform, OnlineRotationsUndoTheFoldedOnes) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint base = Checkpoint::open(test::fixtures() / "base");
  const Checkpoint rotated = Checkpoint::open(test::fixtures() / "compressed_tensors" / "quip_w4a8");
  const QuantConfig none = QuantConfig::of(base), config = QuantConfig::of(rotated);
  for (const char* name : {"model.layers.0.self_attn.k_proj", "model.layers.2.mlp.down_proj"}) {
    const auto plain = open_weight({base, none, name});
    const auto weight = open_weight({rotated, config, name});
    ASSERT_TRUE(weight->input_transform() && weight->output_transform());
    EXPECT_EQ(weight->input_transform()->n, 64);
    const std::vector<float> stored = decode(*weight), expected = decode(*plain);
    EXPECT_GT(relative_distance(stored, expected), 1) << "nothing to undo";
    // The layer applied to unit vectors: rotate the columns of W^T's rows, that is W on both sides.
    const int64_t rows = weight->rows(), cols = weight->cols();
    std::vector<float> identity(cols * cols);
    for (int64_t i = 0; i < cols; ++i) identity[i * cols + i] = 1;
    const auto inputs = transform_rows(identity, load_transform(rotated, *weight->input_transform()), 64);
    std::vector<float> outputs(cols * rows);
    for (int64_t i = 0; i < cols; ++i) {
      for (int64_t o = 0; o < rows; ++o) {
        double sum = 0;
        for (int64_t k = i / 64 * 64; k < i / 64 * 64 + 64; ++k)
          sum += double{inputs[i * cols + k]} * stored[o * cols + k];
        outputs[i * rows + o] = static_cast<float>(sum);
      }
    }
    outputs = transform_rows(outputs, load_transform(rotated, *weight->output_transform()), 64);
    EXPECT_LT(relative_distance(transposed(outputs, cols, rows), expected), 0.2) << "4-bit error is left";
  }
}

TEST(Transform, OneMatrixServesEveryModuleOfItsSize) {
  ASSAY_REQUIRE_FIXTURES();
  const Checkpoint checkpoint = Checkpoint::open(test::fixtures() / "compressed_tensors" / "spinquant_w4a16");
  const QuantConfig config = QuantConfig::of(checkpoint);
  const auto down = open_weight({checkpoint, config, "model.layers.2.mlp.down_proj"});
  ASSERT_TRUE(down->input_transform());
  EXPECT_EQ(down->input_transform()->matrix->name, "model.layers.0.mlp.down_proj.R4_input.weight");
  EXPECT_FALSE(down->output_transform());
  EXPECT_FALSE(open_weight({checkpoint, config, "model.layers.2.mlp.up_proj"})->input_transform());
  const AttentionQuant attention = open_attention_quant(checkpoint, config, "model.layers.1.self_attn");
  ASSERT_TRUE(attention.q_transform && attention.k_transform);
  EXPECT_EQ(attention.q_transform->name, attention.k_transform->name);
  EXPECT_EQ(attention.q_transform->n, 64);
  EXPECT_FALSE(attention.k.active());
  const auto first = open_weight({checkpoint, config, "model.layers.0.mlp.down_proj"});
  EXPECT_EQ(first->parts().back().role, Role::transform);
}

std::string rotated(const std::string& type, bool inverse, int64_t n) {
  return fmt::format(
      R"({{"quant_method":"compressed-tensors","transform_config":{{"config_groups":{{"r":{{"type":"{}","head_dim":{},)"
      R"("apply":[{{"location":"input","inverse":{},"targets":["Linear"]}}]}}}}}}}})",
      type, n, inverse);
}

SafetensorsWriter rotation() {
  SafetensorsWriter writer;
  writer.add<float>("m.weight", DType::F32, {1, 4}, {1, 2, 3, 4});
  writer.add<double>("m.r_input.weight", DType::F64, {2, 2}, {1, -1, 1, 1});
  return writer;
}

TEST(Transform, IsTheStoredMatrixOverTheRootOfItsSize) {
  const float h = static_cast<float>(1 / std::sqrt(2.0));
  const MadeCheckpoint forward(rotated("random-hadamard", false, 2), rotation());
  EXPECT_EQ(load_transform(forward.checkpoint(), *forward.open("m")->input_transform()),
            (std::vector<float>{h, h, -h, h}));
  const MadeCheckpoint inverse(rotated("random-hadamard", true, 2), rotation());
  EXPECT_EQ(load_transform(inverse.checkpoint(), *inverse.open("m")->input_transform()),
            (std::vector<float>{h, -h, h, h}));
  EXPECT_NE(forward.open("m")->input_transform()->name, inverse.open("m")->input_transform()->name);
}

TEST(Transform, FollowsAStoredPermutation) {
  SafetensorsWriter writer = rotation();
  writer.add<int64_t>("m.r_input.perm", DType::I64, {2}, {1, 0});
  const MadeCheckpoint made(rotated("random-hadamard", true, 2), writer);
  const float h = static_cast<float>(1 / std::sqrt(2.0));
  EXPECT_EQ(load_transform(made.checkpoint(), *made.open("m")->input_transform()), (std::vector<float>{h, h, -h, h}));
  SafetensorsWriter twice = rotation();
  twice.add<int64_t>("m.r_input.perm", DType::I64, {2}, {1, 1});
  const MadeCheckpoint broken(rotated("random-hadamard", true, 2), twice);
  EXPECT_THROW(load_transform(broken.checkpoint(), *broken.open("m")->input_transform()), Error);
}

TEST(Transform, RefusesWhatItCannotApply) {
  EXPECT_THROW(MadeCheckpoint(rotated("random-matrix", false, 2), rotation()).open("m"), Error);
  EXPECT_THROW(MadeCheckpoint(rotated("hadamard", false, 3), rotation()).open("m"), Error);
  EXPECT_THROW(MadeCheckpoint(rotated("hadamard", false, 4), rotation()).open("m"), Error) << "no matrix of that size";
}

constexpr const char* kCache = R"({"quant_method":"compressed-tensors","kv_cache_scheme":)";

TEST(Attention, TakesScalesOfTheCachePerTensorOrHead) {
  SafetensorsWriter writer;
  writer.add<float>("a.k_scale", DType::F32, {2, 1, 1}, {0.5f, 2});
  writer.add<float>("a.v_scale", DType::F32, {2, 1, 1}, {1, 4});
  const MadeCheckpoint heads(kCache + std::string(R"({"num_bits":8,"type":"float","strategy":"attn_head"}})"), writer);
  const AttentionQuant quant = open_attention_quant(heads.checkpoint(), heads.config(), "a");
  EXPECT_EQ(quant.k.scale, (std::vector<float>{0.5f, 2}));
  EXPECT_FALSE(quant.q.active());
  EXPECT_EQ(quant.parts.size(), 2u);
  std::vector<float> key = {1.03f, 300, 1.03f, 300};
  quantize_activations(quant.k, key.data(), 4);
  EXPECT_EQ(key, (std::vector<float>{1, 224, 1, 288}));

  EXPECT_THROW(quantize_activations(quant.k, key.data(), 3), Error) << "two heads do not share three columns";

  const MadeCheckpoint tensor(kCache + std::string(R"({"num_bits":8,"type":"float","strategy":"tensor"}})"), writer);
  EXPECT_THROW(open_attention_quant(tensor.checkpoint(), tensor.config(), "a"), Error) << "two scales for a tensor";
}

TEST(Attention, FindsScalesWhereOlderReleasesPutThem) {
  const std::string config = kCache + std::string(R"({"num_bits":8,"type":"float","strategy":"tensor"}})");
  SafetensorsWriter outputs;
  outputs.fill<float>("a.k_proj.output_scale", DType::F32, {1}, 2);
  outputs.fill<float>("a.v_proj.output_scale", DType::F32, {1}, 3);
  const MadeCheckpoint older(config, outputs);
  const AttentionQuant quant = open_attention_quant(older.checkpoint(), older.config(), "a");
  EXPECT_EQ(quant.k.scale, std::vector<float>{2});
  EXPECT_EQ(quant.v.scale, std::vector<float>{3});
  EXPECT_THROW(open_attention_quant(older.checkpoint(), older.config(), "b"), Error) << "declared but not stored";
}

TEST(Attention, QuantizesQueriesOnlyWhereTheirScaleIsStored) {
  const std::string config =
      R"({"quant_method":"compressed-tensors","config_groups":{"g":{"targets":["re:.*self_attn$"],)"
      R"("input_activations":{"num_bits":8,"type":"float","strategy":"tensor"}}}})";
  SafetensorsWriter writer;
  writer.fill<float>("l.self_attn.k_scale", DType::F32, {1}, 2);
  writer.fill<float>("l.self_attn.v_scale", DType::F32, {1}, 3);
  const MadeCheckpoint without(config, writer);
  const AttentionQuant skipped = open_attention_quant(without.checkpoint(), without.config(), "l.self_attn");
  EXPECT_FALSE(skipped.q.active());
  EXPECT_TRUE(skipped.k.active() && skipped.v.active());
  writer.fill<float>("l.self_attn.q_scale", DType::F32, {1}, 4);
  const MadeCheckpoint with(config, writer);
  EXPECT_EQ(open_attention_quant(with.checkpoint(), with.config(), "l.self_attn").q.scale, std::vector<float>{4});
}

TEST(Attention, RefusesToEmulateDynamicCaches) {
  SafetensorsWriter writer;
  writer.fill<float>("a.k_scale", DType::F32, {1}, 2);
  writer.fill<float>("a.v_scale", DType::F32, {1}, 2);
  const MadeCheckpoint made(kCache + std::string(R"({"num_bits":8,"type":"float","strategy":"token","dynamic":true}})"),
                            writer);
  const AttentionQuant quant = open_attention_quant(made.checkpoint(), made.config(), "a");
  EXPECT_TRUE(quant.k.active());
  EXPECT_THROW(emulated(quant.k), Error);
}

TEST(Attention, TakesTheCacheOfQuarkFromTheOutputsOfKeysAndValues) {
  SafetensorsWriter writer;
  writer.fill<float>("a.k_proj.output_scale", DType::F32, {}, 2);
  writer.fill<float>("a.v_proj.output_scale", DType::F32, {}, 4);
  const MadeCheckpoint made(
      R"({"quant_method":"quark","layer_quant_config":{"*k_proj":{"output_tensors":{"dtype":"fp8_e4m3",)"
      R"("qscheme":"per_tensor"}},"*v_proj":{"output_tensors":{"dtype":"int8","qscheme":"per_tensor"}}}})",
      writer);
  const AttentionQuant quant = open_attention_quant(made.checkpoint(), made.config(), "a");
  EXPECT_EQ(quant.k.scale, std::vector<float>{2});
  EXPECT_THROW(emulated(quant.v), Error);
  EXPECT_EQ(quant.parts.size(), 2u);
}

TEST(FloatQuantized, MayHaveZeroPoints) {
  SafetensorsWriter writer;
  writer.add<uint8_t>("m.weight", DType::F8_E4M3, {2, 1}, {0x38, 0x40});  // 1, 2
  writer.add<float>("m.weight_scale", DType::F32, {2, 1}, {2, 3});
  const std::string scheme = one_group(R"({"num_bits":8,"type":"float","strategy":"channel","symmetric":false})");
  EXPECT_THROW(MadeCheckpoint(scheme, writer).open("m"), Error);
  writer.add<uint8_t>("m.weight_zero_point", DType::F8_E4M3, {2, 1}, {0xB8, 0x38});  // -1, 1
  EXPECT_EQ(MadeCheckpoint(scheme, writer).decode("m"), (std::vector<float>{4, 3}));
}

TEST(Nvfp4, HasNoGlobalScaleUnderTheStrategyGroup) {
  SafetensorsWriter writer;
  writer.fill<uint8_t>("m.weight_packed", DType::U8, {1, 8}, 0x42);  // 1, 2
  writer.fill<uint8_t>("m.weight_scale", DType::F8_E4M3, {1, 1}, 0x40);
  const auto scheme = [](const char* strategy) {
    return one_group(fmt::format(R"({{"num_bits":4,"type":"float","group_size":16,"strategy":"{}"}})", strategy));
  };
  EXPECT_THROW(MadeCheckpoint(scheme("tensor_group"), writer).open("m"), Error);
  const std::vector<float> w = MadeCheckpoint(scheme("group"), writer).decode("m");
  EXPECT_EQ((std::vector<float>{w[0], w[1]}), (std::vector<float>{2, 4}));
}

TEST(Frozen, QuantizesTheStoredWeight) {
  SafetensorsWriter writer;
  writer.add<float>("m.weight", DType::F32, {2, 4}, {0.24f, 0.26f, 9, -9, 0.75f, 1.25f, -0.1f, 4});
  writer.add<float>("m.weight_scale", DType::F32, {2, 2}, {0.5f, 1, 0.5f, 2});
  writer.add<int8_t>("m.weight_zero_point", DType::I8, {2, 2}, {0, 3, -1, 0});
  const MadeCheckpoint made(
      one_group(R"({"num_bits":4,"type":"int","strategy":"group","group_size":2,"symmetric":false})"), writer);
  // 9 / 1 + 3 is clamped to 7, -9 + 3 = -6; 0.75 / 0.5 - 1 = 0.5 rounds to even, 1.25 / 0.5 - 1 = 1.5 to 2.
  EXPECT_EQ(made.decode("m"), (std::vector<float>{0, 0.5f, 4, -9, 0.5f, 1.5f, 0, 4}));
  EXPECT_EQ(made.open("m")->format(), "compressed-tensors/frozen");
}

TEST(Frozen, RoundsFloatsOnTheirGrid) {
  SafetensorsWriter writer;
  writer.add<float>("m.weight", DType::F32, {1, 4}, {2.2f, -5.1f, 100, 0.3f});
  writer.add<float>("m.weight_scale", DType::F32, {1, 1}, {2});
  const MadeCheckpoint fp4(one_group(R"({"num_bits":4,"type":"float","strategy":"channel"})"), writer);
  EXPECT_EQ(fp4.decode("m"), (std::vector<float>{2, -6, 12, 0}));
  const MadeCheckpoint fp8(one_group(R"({"num_bits":8,"type":"float","strategy":"channel"})"), writer);
  EXPECT_EQ(fp8.decode("m"), (std::vector<float>{2.25f, -5, 96, 0.3125f}));
  const char* mx = R"({"num_bits":4,"type":"float","strategy":"group","group_size":4,"scale_dtype":"torch.uint8"})";
  EXPECT_EQ(MadeCheckpoint(one_group(mx), writer).decode("m"), (std::vector<float>{2, -6, 12, 0}));
}

TEST(Dense, ReadsStackedExpertsAsRows) {
  SafetensorsWriter writer;
  std::vector<double> values(24);
  for (int i = 0; i < 24; ++i) values[i] = i;
  writer.add<double>("experts.up", DType::F64, {2, 3, 4}, values);
  const MadeCheckpoint made("", writer);
  const auto weight = made.open("experts.up");
  EXPECT_EQ(weight->rows(), 6);
  EXPECT_EQ(weight->cols(), 4);
  EXPECT_EQ(weight->format(), "dense/f64");
  std::vector<float> row(4);
  weight->decode(5, 6, row.data());
  EXPECT_EQ(row, (std::vector<float>{20, 21, 22, 23}));
}

TEST(Decode, OfNoRowsDoesNothing) {
  ASSAY_REQUIRE_FIXTURES();
  for (const char* fixture : {"marlin24", "mixed_bits", "mixed_block_mx", "nvfp4", "sparse24_fp8", "sparse_bitmask"}) {
    const Checkpoint checkpoint = Checkpoint::open(test::fixtures() / "compressed_tensors" / fixture);
    const QuantConfig config = QuantConfig::of(checkpoint);
    for (const char* name : {"self_attn.k_proj", "mlp.gate_proj", "mlp.down_proj"}) {
      const auto weight = open_weight({checkpoint, config, std::string("model.layers.0.") + name});
      for (int64_t row : {int64_t{0}, int64_t{5}, weight->rows()}) {
        EXPECT_NO_THROW(weight->decode(row, row, nullptr)) << fixture << " " << name;
      }
    }
  }
}

TEST(Dense, QuantizesInputsWhereOnlyThoseAreDeclared) {
  SafetensorsWriter writer;
  writer.fill<float>("m.weight", DType::F32, {2, 4}, 1);
  const char* input = R"(,"input_activations":{"num_bits":8,"strategy":"token","dynamic":true})";
  EXPECT_TRUE(MadeCheckpoint(one_group("null", input), writer).open("m")->input_quant().active());
  EXPECT_FALSE(MadeCheckpoint(one_group(R"({"num_bits":8})", input), writer).open("m")->input_quant().active())
      << "the scheme quantizes weights too, and this one is not";
}

TEST(Activations, KeepNanAndZeroRows) {
  ActivationQuant quant;
  quant.element = ActivationQuant::Element::integer;
  std::vector<float> zeros(32);
  quantize_activations(quant, zeros.data(), 32);
  EXPECT_EQ(zeros, std::vector<float>(32));
  for (auto element :
       {ActivationQuant::Element::integer, ActivationQuant::Element::e4m3, ActivationQuant::Element::e2m1}) {
    for (auto rule :
         {ActivationQuant::ScaleRule::plain, ActivationQuant::ScaleRule::nvfp4, ActivationQuant::ScaleRule::mx}) {
      std::vector<float> row(32, 1);
      row[7] = NAN;
      quant.element = element;
      quant.scale_rule = rule;
      quantize_activations(quant, row.data(), 32);
      EXPECT_TRUE(std::isnan(row[7]));
    }
  }
}

}  // namespace
}  // namespace assay
