#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/made_checkpoint.h"

// bitsandbytes, AQLM and VPTQ in the shapes that no fixture has, and what is said about damaged files.
namespace assay {
namespace {

using test::MadeCheckpoint;
using test::SafetensorsWriter;

uint16_t f16(int value) {
  // 1, 2, 3, 4 and their negatives as float16.
  constexpr uint16_t kCodes[] = {0, 0x3C00, 0x4000, 0x4200, 0x4400};
  return static_cast<uint16_t>(kCodes[std::abs(value)] | (value < 0 ? 0x8000 : 0));
}

void expect_error(const std::string& config, const SafetensorsWriter& tensors,
                  std::initializer_list<const char*> parts) {
  try {
    MadeCheckpoint(config, tensors).decode("a.up_proj");
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    for (const char* part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part << "\nis not in\n" << error.what();
    }
  }
}

void expect_tiles_agree(const MadeCheckpoint& made, const std::vector<float>& whole) {
  const auto weight = made.open("a.up_proj");
  for (int64_t row = 0; row < weight->rows(); ++row) {
    std::vector<float> one(weight->cols());
    weight->decode(row, row + 1, one.data());
    for (int64_t c = 0; c < weight->cols(); ++c) EXPECT_EQ(one[c], whole[row * weight->cols() + c]) << row << ' ' << c;
  }
}

constexpr const char* kBnb = R"({"quant_method":"bitsandbytes","load_in_4bit":true})";

/// A weight [3, 5], blocks of 4 elements, codes 0 to 14 in order, code table 0 to 15.
struct Nibbles {
  std::string state = R"({"quant_type":"nf4","blocksize":4,"shape":[3,5],"nested_blocksize":2,"nested_offset":0.5})";
  std::string suffix = "nf4";
  bool nested = false, map = true;
  std::vector<float> absmax = {1, 10, 100, 1000};
  DType container = DType::U8;

  SafetensorsWriter tensors() const {
    const std::string x = "a.up_proj.weight";
    SafetensorsWriter writer;
    const std::vector<uint8_t> codes = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xE0};
    if (container == DType::U8) {
      writer.add<uint8_t>(x, DType::U8, {8, 1}, codes);
    } else {
      std::vector<uint16_t> pairs(4);
      std::memcpy(pairs.data(), codes.data(), 8);
      writer.add<uint16_t>(x, container, {4, 1}, pairs);
    }
    if (nested) {
      writer.add<uint8_t>(x + ".absmax", DType::U8, {4}, {1, 2, 3, 255});
      writer.add<float>(x + ".nested_absmax", DType::F32, {2}, {1, 10});
      std::vector<float> values(256);
      for (int i = 0; i < 256; ++i) values[i] = static_cast<float>(i);
      writer.add<float>(x + ".nested_quant_map", DType::F32, {256}, values);
    } else {
      writer.add<float>(x + ".absmax", DType::F32, {static_cast<int64_t>(absmax.size())}, absmax);
    }
    std::vector<float> table(16);
    for (int i = 0; i < 16; ++i) table[i] = static_cast<float>(i);
    if (map) writer.add<float>(x + ".quant_map", DType::F32, {16}, table);
    const std::vector<uint8_t> text(state.begin(), state.end());
    writer.add<uint8_t>(x + ".quant_state.bitsandbytes__" + suffix, DType::U8, {static_cast<int64_t>(text.size())},
                        text);
    return writer;
  }
};

const std::vector<float> kScaledNibbles = {0, 1, 2, 3, 40, 50, 60, 70, 800, 900, 1000, 1100, 12000, 13000, 14000};

TEST(Bnb4Bit, BlocksIgnoreTheEndsOfRows) {
  const MadeCheckpoint made(kBnb, Nibbles().tensors());
  EXPECT_EQ(made.decode("a.up_proj"), kScaledNibbles);
  EXPECT_EQ(made.open("a.up_proj")->format(), "bitsandbytes/nf4");
  expect_tiles_agree(made, kScaledNibbles);
}

TEST(Bnb4Bit, ScalesMayBeCodesThemselves) {
  Nibbles nibbles;
  nibbles.nested = true;
  const MadeCheckpoint made(kBnb, nibbles.tensors());
  const std::vector<float> scales = {1.5f, 2.5f, 30.5f, 2550.5f};
  const std::vector<float> found = made.decode("a.up_proj");
  for (int n = 0; n < 15; ++n) EXPECT_EQ(found[n], static_cast<float>(n) * scales[n / 4]) << n;
  expect_tiles_agree(made, found);
}

TEST(Bnb4Bit, TheContainersTypeMeansNothing) {
  Nibbles nibbles;
  nibbles.container = DType::BF16;
  EXPECT_EQ(MadeCheckpoint(kBnb, nibbles.tensors()).decode("a.up_proj"), kScaledNibbles);
}

TEST(Bnb4Bit, SaysWhatIsWrong) {
  Nibbles type;
  type.suffix = "nf3";
  expect_error(kBnb, type.tensors(), {"a.up_proj", "nf4 or fp4", "\"nf3\""});
  Nibbles map;
  map.map = false;
  expect_error(kBnb, map.tensors(), {"a.up_proj.weight.quant_map is missing"});
  Nibbles blocks;
  blocks.absmax = {1, 2, 3};
  expect_error(kBnb, blocks.tensors(), {"a.up_proj.weight.absmax", "[4]", "found F32 [3]"});
  Nibbles nan;
  nan.absmax[2] = NAN;
  expect_error(kBnb, nan.tensors(), {"a.up_proj.weight.absmax[2] is nan"});
  for (const char* shape : {"[3,6]", "[4611686018427387904,4]", "[-3,-5]", "[15]", "7"}) {
    Nibbles odd;
    odd.state = fmt::format(R"({{"blocksize":4,"shape":{}}})", shape);
    expect_error(kBnb, odd.tensors(), {"a.up_proj.weight"});
  }
  for (const char* state : {R"({"blocksize":0,"shape":[3,5]})", R"({"shape":[3,5]})", "", "{", "[]"}) {
    Nibbles odd;
    odd.state = state;
    expect_error(kBnb, odd.tensors(), {"a.up_proj.weight.quant_state.bitsandbytes__nf4"});
  }
  Nibbles both;
  SafetensorsWriter two = both.tensors();
  two.add<float>("a.up_proj.weight.nested_absmax", DType::F32, {2}, {1, 10});
  expect_error(kBnb, two, {"a.up_proj.weight.absmax", "expected U8", "nested_absmax", "found F32 [4]"});
  Nibbles nested;
  nested.nested = true;
  nested.state = R"({"blocksize":4,"shape":[3,5]})";
  expect_error(kBnb, nested.tensors(), {"nested_blocksize"});
  nested.state = R"({"blocksize":4,"shape":[3,5],"nested_blocksize":3,"nested_offset":0})";
  EXPECT_NO_THROW(MadeCheckpoint(kBnb, nested.tensors()).decode("a.up_proj"));
  nested.state = R"({"blocksize":4,"shape":[3,5],"nested_blocksize":4,"nested_offset":0})";
  expect_error(kBnb, nested.tensors(), {"nested_absmax", "F32 [1]", "found F32 [2]"});
}

SafetensorsWriter int8(uint8_t layout, int64_t rows = 2) {
  SafetensorsWriter writer;
  writer.add<int8_t>("a.up_proj.weight", DType::I8, {2, 3}, {127, -127, 0, 1, 2, -128});
  if (rows > 0) writer.fill<float>("a.up_proj.SCB", DType::F32, {rows}, 254);
  writer.add<uint8_t>("a.up_proj.weight_format", DType::U8, {}, {layout});
  return writer;
}

TEST(BnbInt8, DeclaresItsActivations) {
  const MadeCheckpoint made(R"({"quant_method":"bitsandbytes","llm_int8_threshold":2.5})", int8(0));
  EXPECT_EQ(made.decode("a.up_proj"), (std::vector<float>{254, -254, 0, 2, 4, -256}));
  EXPECT_EQ(made.open("a.up_proj")->input_quant().outlier_threshold, 2.5f);
  EXPECT_EQ(MadeCheckpoint(R"({"load_in_8bit":true})", int8(0)).open("a.up_proj")->input_quant().outlier_threshold, 6);
}

TEST(BnbInt8, SaysWhatIsWrong) {
  const std::string config = R"({"quant_method":"bitsandbytes"})";
  expect_error(config, int8(1), {"a.up_proj.weight_format is 1", "row-major"});
  expect_error(config, int8(0, 3), {"a.up_proj.SCB", "expected F32 [2]", "found F32 [3]"});
  expect_error(config, int8(0, 0), {"a.up_proj.SCB is missing"});
  expect_error(R"({"quant_method":"bitsandbytes","llm_int8_threshold":-1})", int8(0), {"llm_int8_threshold"});
}

/// 2 codebooks of 4 vectors, groups of 2 rows and 3 columns: vector i of book k has elements k + 1, ... signs by place.
struct Books {
  int bits = 2;
  std::vector<int8_t> codes = {0, 1, -1, -2, 1, 1, 0, 3};  // [2, 2, 2]
  std::vector<int64_t> books = {2, 4, 2, 3};
  bool scales = true;

  std::string config() const {
    return fmt::format(
        R"({{"quant_method":"aqlm","num_codebooks":2,"nbits_per_codebook":{},"in_group_size":3,"out_group_size":2}})",
        bits);
  }
  static int element(int64_t book, int64_t vector, int64_t r, int64_t s) {
    return static_cast<int>((book + 2 * vector + 3 * r + s) % 9) - 4;
  }
  SafetensorsWriter tensors() const {
    std::vector<uint16_t> table;
    for (int64_t k = 0; k < books[0]; ++k) {
      for (int64_t i = 0; i < books[1]; ++i) {
        for (int64_t at = 0; at < books[2] * books[3]; ++at) {
          table.push_back(f16(element(k, i, at / books[3], at % books[3])));
        }
      }
    }
    SafetensorsWriter writer;
    writer.add<int8_t>("a.up_proj.codes", DType::I8, {2, 2, 2}, codes);
    writer.add<uint16_t>("a.up_proj.codebooks", DType::F16, books, table);
    if (scales) writer.add<uint16_t>("a.up_proj.scales", DType::F16, {2, 1, 1, 1}, {f16(2), f16(3)});
    return writer;
  }
};

TEST(Aqlm, SumsVectorsOfRowsAndColumns) {
  const Books books;
  const MadeCheckpoint made(books.config(), books.tensors());
  const std::vector<float> found = made.decode("a.up_proj");
  ASSERT_EQ(found.size(), 4u * 6);
  for (int64_t o = 0; o < 4; ++o) {
    for (int64_t c = 0; c < 6; ++c) {
      const int8_t* codes = books.codes.data() + (o / 2 * 2 + c / 3) * 2;
      const int sum = Books::element(0, codes[0] & 3, o % 2, c % 3) + Books::element(1, codes[1] & 3, o % 2, c % 3);
      EXPECT_EQ(found[o * 6 + c], static_cast<float>(sum * (o < 2 ? 2 : 3))) << o << ' ' << c;
    }
  }
  EXPECT_EQ(made.open("a.up_proj")->format(), "aqlm/2x2-g3x2");
  expect_tiles_agree(made, found);
}

TEST(Aqlm, SaysWhatIsWrong) {
  Books bits;
  bits.bits = 3;
  expect_error(bits.config(), bits.tensors(), {"a.up_proj", "nbits_per_codebook 3", "F16 [2, 4, 2, 3] means 2"});
  Books code;
  code.codes[5] = 4;
  expect_error(code.config(), code.tensors(), {"a.up_proj", "row 1", "a.up_proj.codes", "outside -2 to 3"});
  code.codes[5] = -3;
  expect_error(code.config(), code.tensors(), {"outside -2 to 3"});
  Books vectors;
  vectors.books[1] = 3;
  expect_error(vectors.config(), vectors.tensors(), {"a.up_proj.codebooks", "2^b vectors", "F16 [2, 3, 2, 3]"});
  Books one;
  one.books[0] = 1;
  expect_error(one.config(), one.tensors(), {"a.up_proj.codes", "[any, any, 1]", "found I8 [2, 2, 2]"});
  Books scales;
  scales.scales = false;
  expect_error(scales.config(), scales.tensors(), {"a.up_proj.scales is missing"});
  Books wide;
  wide.books = {2, 512, 2, 3};
  expect_error(wide.config(), wide.tensors(), {"9 bits do not fit", "I8 [2, 2, 2]"});
}

/// A weight [5, 7]: vectors of 2 rows, 2 groups of 3 columns, 1 outlier column with vectors of 3 rows; 4 centroids and
/// 2 residual ones, entries of 3 bits.
struct Vectors {
  std::string lengths = "[3,2]", centroids = "[2,4]", residuals = "[-1,2]", extra;
  std::vector<uint16_t> perm = {6, 0, 5, 1, 4, 2, 3}, outliers = {1, 0};
  std::vector<int32_t> words = {0b111'010'001, 0b000'101'011, 0b110'110'110,
                                0b001'000'111, 0b011'011'100, 0b101'001'010};

  std::string config(const std::string& where = R"("config_for_layers":{"a.up_proj")") const {
    return R"({"quant_method":"vptq",)" + where +
           R"(:{"in_features":7,"out_features":5,"group_num":2,"group_size":3,)" +
           R"("outlier_size":1,"enable_norm":true,"enable_perm":true,"vector_lens":)" + lengths +
           R"(,"num_centroids":)" + centroids + R"(,"num_res_centroids":)" + residuals + extra + "}}}";
  }
  static std::vector<uint16_t> values(int64_t count, int seed) {
    std::vector<uint16_t> list(count);
    for (int64_t i = 0; i < count; ++i) list[i] = f16(static_cast<int>((i * 5 + seed) % 9) - 4);
    return list;
  }
  SafetensorsWriter tensors() const {
    const std::string x = "a.up_proj.";
    SafetensorsWriter writer;
    writer.add<int32_t>(x + "indices", DType::I32, {2, 3, 1}, words);
    writer.add<uint16_t>(x + "centroids.weight", DType::F16, {2, 8}, values(16, 0));
    writer.add<uint16_t>(x + "res_centroids.weight", DType::F16, {2, 4}, values(8, 1));
    writer.add<uint16_t>(x + "outlier_indices", DType::I16, {1, 2, 1}, outliers);
    writer.add<uint16_t>(x + "outlier_centroids.weight", DType::F16, {1, 6}, values(6, 2));
    writer.add<uint16_t>(x + "perm", DType::I16, {7}, perm);
    writer.add<uint16_t>(x + "weight_scale", DType::F16, {7}, values(7, 3));
    writer.add<uint16_t>(x + "weight_bias", DType::F16, {7}, values(7, 4));
    return writer;
  }
};

float value_of(uint16_t code) {
  for (int v = -4; v <= 4; ++v) {
    if (f16(v) == code) return static_cast<float>(v);
  }
  ADD_FAILURE();
  return 0;
}

TEST(Vptq, CombinesGroupsOutliersResidualsPermutationAndNorm) {
  const Vectors v;
  const MadeCheckpoint made(v.config(), v.tensors());
  const std::vector<float> found = made.decode("a.up_proj");
  ASSERT_EQ(found.size(), 35u);
  const auto main = Vectors::values(16, 0), residual = Vectors::values(8, 1), outlier = Vectors::values(6, 2);
  const auto scale = Vectors::values(7, 3), bias = Vectors::values(7, 4);
  for (int o = 0; o < 5; ++o) {
    for (int j = 0; j < 7; ++j) {
      float stored;
      if (j == 0) {
        stored = value_of(outlier[v.outliers[o / 3] * 3 + o % 3]);
      } else {
        const int g = (j - 1) / 3, i = (j - 1) % 3;
        const int entry = v.words[g * 3 + o / 2] >> 3 * i & 7;
        stored = value_of(main[g * 8 + (entry & 3) * 2 + o % 2]) + value_of(residual[g * 4 + (entry >> 2) * 2 + o % 2]);
      }
      const int channel = v.perm[j];
      EXPECT_EQ(found[o * 7 + channel], stored * value_of(scale[channel]) + value_of(bias[channel])) << o << ' ' << j;
    }
  }
  expect_tiles_agree(made, found);
  EXPECT_EQ(MadeCheckpoint(v.config(R"("shared_layer_config":{"up_proj")"), v.tensors()).decode("a.up_proj"), found);
}

TEST(Vptq, SaysWhatIsWrong) {
  const Vectors good;
  expect_error(good.config(R"("config_for_layers":{"a.down_proj")"), good.tensors(), {"a.up_proj", "no settings"});
  Vectors bits;
  bits.centroids = "[2,3]";
  expect_error(bits.config(), bits.tensors(), {"num_centroids", "power of two"});
  bits.centroids = "[2,2147483648]";
  bits.residuals = "[-1,4]";
  expect_error(bits.config(), bits.tensors(), {"num_res_centroids", "at most 32 bits"});
  Vectors outlier;
  outlier.outliers = {1, 2};
  expect_error(outlier.config(), outlier.tensors(), {"a.up_proj.outlier_indices[0, 1, 0] is 2", "from 0 to 1"});
  Vectors perm;
  perm.perm[3] = 7;
  expect_error(perm.config(), perm.tensors(), {"a.up_proj.perm[3] is 7", "0 to 6 once"});
  perm.perm[3] = 5;
  expect_error(perm.config(), perm.tensors(), {"a.up_proj.perm[3] is 5"});
  Vectors shape;
  shape.lengths = "[3,1]";
  expect_error(shape.config(), shape.tensors(), {"a.up_proj.indices", "I32 [2, 5, 1]", "found I32 [2, 3, 1]"});
  for (const char* lengths : {"[3,0]", "[3,6]", "[-1,2]", "[3]", "3", "[3,9223372036854775807]"}) {
    Vectors odd;
    odd.lengths = lengths;
    expect_error(odd.config(), odd.tensors(), {"vector_lens"});
  }
  for (const char* extra : {R"(,"is_indice_packed":false)", R"(,"indices_as_float":true)",
                            R"(,"vector_quant_dim":"in")", R"(,"norm_dim":1)"}) {
    Vectors odd;
    odd.extra = extra;
    const std::string key = std::string(extra).substr(2, std::string(extra).find(':') - 3);
    expect_error(odd.config(), odd.tensors(), {"a.up_proj", key.c_str()});
  }
}

}  // namespace
}  // namespace assay
