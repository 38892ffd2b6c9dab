#include "checkpoint/gguf.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/errors.h"
#include "support/gguf_writer.h"
#include "support/support.h"

namespace assay {
namespace {

using test::error_of;
using test::expect_contains;
using test::GgufWriter;

class Gguf : public testing::Test {
 protected:
  GgufHeader read(const std::string& bytes) {
    test::write_text(path_, bytes);
    return read_gguf(path_);
  }
  GgufHeader read(const GgufWriter& writer) { return read(writer.bytes()); }
  std::string refusal(const std::string& bytes) {
    return error_of([&] { read(bytes); });
  }
  std::string refusal(const GgufWriter& writer) { return refusal(writer.bytes()); }

  test::TempDir dir_;
  std::filesystem::path path_ = dir_ / "m.gguf";
};

GgufWriter with_every_kind(uint32_t version, bool big_endian) {
  GgufWriter writer(version, big_endian);
  writer.add("u8", uint8_t{200}).add("i8", int8_t{-3}).add("u16", uint16_t{60000}).add("i16", int16_t{-300});
  writer.add("u32", uint32_t{4000000000}).add("i32", int32_t{-70000}).add("f32", 0.5f).add("bool", true);
  writer.add("string", "grüß").add("u64", uint64_t{1} << 40).add("i64", int64_t{-1} << 40).add("f64", 0.1);
  writer.add("strings", std::vector<std::string>{"a", "", "c d"}).add("floats", std::vector<float>{1, -2.5f});
  writer.add("bools", std::vector<bool>{true, false}).add("shorts", std::vector<int16_t>{-1, 258});
  const std::string nested = writer.number(uint32_t{9}) + writer.number(uint64_t{2}) +
                             writer.array(std::vector<uint16_t>{1, 2}) + writer.array(std::vector<std::string>{"x"});
  writer.pair("nested", 9, nested);
  writer.tensor("m", 8, {2, 32}, std::string(68, '\1')).tensor("v", {3}, {1, 2, 3});
  return writer;
}

TEST_F(Gguf, EveryKindOfValueIsReadInBothByteOrdersAndVersions) {
  for (const uint32_t version : {2u, 3u}) {
    for (const bool big_endian : {false, true}) {
      const GgufHeader header = read(with_every_kind(version, big_endian));
      EXPECT_EQ(header.version, version);
      EXPECT_EQ(header.big_endian, big_endian);
      const GgufMetadata& m = *header.metadata;
      EXPECT_EQ(m.integer("u8"), 200);
      EXPECT_EQ(m.integer("i8"), -3);
      EXPECT_EQ(m.integer("u16"), 60000);
      EXPECT_EQ(m.integer("i16"), -300);
      EXPECT_EQ(m.integer("u32"), 4000000000);
      EXPECT_EQ(m.integer("i32"), -70000);
      EXPECT_EQ(m.number("f32"), 0.5);
      EXPECT_TRUE(m.boolean("bool"));
      EXPECT_EQ(m.string("string"), "grüß");
      EXPECT_EQ(m.integer("u64"), int64_t{1} << 40);
      EXPECT_EQ(m.integer("i64"), int64_t{-1} << 40);
      EXPECT_EQ(m.number("f64"), 0.1);
      EXPECT_EQ(m.strings("strings"), (std::vector<std::string>{"a", "", "c d"}));
      EXPECT_EQ(m.numbers("floats"), (std::vector<double>{1, -2.5}));
      EXPECT_EQ(m.booleans("bools"), (std::vector<bool>{true, false}));
      EXPECT_EQ(m.integers("shorts"), (std::vector<int64_t>{-1, 258}));
      EXPECT_EQ(m.count("strings"), 3u);
      EXPECT_EQ(m.json("nested").dump(), R"([[1,2],["x"]])");
    }
  }
}

TEST_F(Gguf, TensorsHaveTheirPlaceInTheFile) {
  const GgufWriter writer = with_every_kind(3, false);
  const GgufHeader header = read(writer);
  ASSERT_EQ(header.tensors.size(), 2u);
  const uint64_t data = (writer.header().size() + 31) / 32 * 32;
  const StoredTensor& m = header.tensors.at("m");
  EXPECT_EQ(m.describe(), "Q8_0 [2, 32]");
  EXPECT_EQ(m.offset, data);
  EXPECT_EQ(m.bytes, 68u);
  EXPECT_EQ(header.tensors.at("v").offset, data + 96);
  EXPECT_TRUE(header.notes.empty());
}

TEST_F(Gguf, AlignmentIsThatOfTheFile) {
  GgufWriter writer;
  writer.add("general.alignment", uint32_t{8}).info("v", 0, {2}, 0).info("w", 0, {2}, 8);
  std::string file = writer.header();
  file.resize((file.size() + 7) / 8 * 8 + 16);
  EXPECT_EQ(read(file).tensors.at("w").offset, file.size() - 8);
  for (const uint32_t bad : {0u, 3u, 48u, 1u << 31}) {
    expect_contains(refusal(GgufWriter().add("general.alignment", bad)), "a power of two");
  }
  expect_contains(refusal(GgufWriter().add("general.alignment", uint64_t{32})), "32-bit");
  expect_contains(refusal(GgufWriter().info("v", 0, {2}, 8)), "no multiple of the alignment 32");
}

TEST_F(Gguf, AFileOfMetadataAloneIsValid) {
  EXPECT_TRUE(read(GgufWriter().add("a", "b").header()).tensors.empty());
}

TEST_F(Gguf, ValuesOfAnotherKindAreRefusedNamingTheKey) {
  const auto header = read(with_every_kind(3, false));
  const GgufMetadata& m = *header.metadata;
  expect_contains(error_of([&] { m.integer("string"); }), R"(metadata key "string": expected an integer)");
  expect_contains(error_of([&] { m.integer("f32"); }), "found \"0.5\"");
  expect_contains(error_of([&] { m.string("u8"); }), "expected a string, found \"200\"");
  expect_contains(error_of([&] { m.boolean("u8"); }), "true or false");
  expect_contains(error_of([&] { m.integers("strings"); }), "a list of integers");
  expect_contains(error_of([&] { m.strings("nested"); }), "a list of strings");
  expect_contains(error_of([&] { m.integer("u3"); }), R"(metadata key "u3" is missing; the nearest is "u32")");
  EXPECT_EQ(m.integer_or("absent", 7), 7);
  EXPECT_TRUE(m.strings("absent").empty());
  EXPECT_EQ(m.integers("u16"), std::vector<int64_t>{60000});
}

TEST_F(Gguf, EveryTruncationOfTheHeaderIsRefused) {
  const std::string file = with_every_kind(3, false).bytes();
  for (size_t size = 0; size < file.size(); ++size) {
    SCOPED_TRACE(size);
    const std::string message = refusal(file.substr(0, size));
    expect_contains(message, path_.string());
    EXPECT_LT(message.size(), 1000u);
  }
}

TEST_F(Gguf, EveryChangedByteIsRefusedOrHarmless) {
  const std::string file = with_every_kind(3, false).bytes();
  const size_t header_bytes = with_every_kind(3, false).header().size();
  for (size_t at = 0; at < header_bytes; ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ change);
      try {
        for (const auto& [name, tensor] : read(changed).tensors) {
          ASSERT_LE(tensor.offset, file.size());
          ASSERT_LE(tensor.bytes, file.size() - tensor.offset);
          const Block block = block_of(tensor.dtype);
          ASSERT_EQ(static_cast<int64_t>(tensor.bytes), tensor.elements() / block.elements * block.bytes);
        }
      } catch (const Error& e) {
        EXPECT_LT(std::string(e.what()).size(), 1000u);
      }
    }
  }
}

TEST_F(Gguf, ImpossibleHeadersAreRefusedAtOnce) {
  const auto raw = [](uint32_t kind, const std::string& value) { return GgufWriter().pair("k", kind, value); };
  const GgufWriter w;
  expect_contains(refusal("GGML" + std::string(40, '\0')), "begins with \"GGML\"");
  expect_contains(refusal(GgufWriter(1).add("a", "b")), "version 1 is not supported");
  expect_contains(refusal(GgufWriter(4).add("a", "b")), "version 4 is not supported");
  expect_contains(refusal(GgufWriter().claim(1'000'000'000, 0)), "number of tensors: the header says 1000000000");
  expect_contains(refusal(GgufWriter().claim(0, UINT64_MAX)), "number of metadata pairs");
  expect_contains(refusal(raw(8, w.number(uint64_t{1} << 60))), "metadata key \"k\": 1152921504606846976 bytes");
  expect_contains(refusal(raw(13, "")), "13 is no type of a value");
  expect_contains(refusal(raw(9, w.number(uint32_t{4}) + w.number(uint64_t{1} << 62))), "metadata key \"k\"");
  expect_contains(refusal(raw(9, w.number(uint32_t{8}) + w.number(uint64_t{1} << 61))), "metadata key \"k\"");
  expect_contains(refusal(raw(9, w.number(uint32_t{99}) + w.number(uint64_t{0}))), "99 is no type");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += w.number(uint32_t{9}) + w.number(uint64_t{1});
  expect_contains(refusal(raw(9, deep + std::string(100, '\0'))), "nested deeper");
  expect_contains(refusal(GgufWriter().add("k", "a").add("k", "b")), "metadata key \"k\" appears twice");
}

TEST_F(Gguf, ImpossibleTensorsAreRefusedNamingThem) {
  const auto info = [](uint32_t id, const std::vector<uint64_t>& shape, uint64_t offset) {
    return GgufWriter().info("t", id, shape, offset);
  };
  const std::vector<std::pair<GgufWriter, std::string>> rows = {
      {info(0, {uint64_t{1} << 40, uint64_t{1} << 40}, 0), "more elements than any file"},
      {info(28, {uint64_t{1} << 61}, 0), "more elements than any file"},
      {info(0, {7, 7905747460161236407}, 0), "more elements than any file"},
      {info(0, {uint64_t{1} << 63}, 0), "a dimension of 9223372036854775808"},
      {info(0, {0, 4}, 0), "a dimension of 0"},
      {info(0, {1, 1, 1, 1, 1}, 0), "5 dimensions"},
      {info(0, {1000}, 0), "needs 4000 bytes"},
      {info(0, {1}, uint64_t{1} << 40), "the file is shorter"},
      {info(0, {1}, UINT64_MAX - 31), "the file is shorter"},
      {info(12, {2, 255}, 0), "no whole number of blocks of 256"},
      {info(12, {}, 0), "no whole number of blocks of 256"},
      {info(4, {32}, 0), "type 4 is Q4_2"},
      {info(137, {32}, 0), "type 137 is IQ2_K of ik_llama.cpp"},
      {info(212, {32}, 0), "type 212 is one of ik_llama.cpp's own"},
      {info(4711, {32}, 0), "type 4711 is unknown"},
      {info(0, {1}, 0).info("t", 0, {1}, 32), "appears twice"},
  };
  for (const auto& [writer, expected] : rows) {
    SCOPED_TRACE(expected);
    const std::string message = refusal(writer);
    expect_contains(message, "tensor \"t\"");
    expect_contains(message, expected);
  }
  GgufWriter shared;
  shared.tensor("t", 0, {16}, std::string(64, '\0')).info("u", 0, {4}, 32);
  expect_contains(refusal(shared), "share bytes");
}

TEST_F(Gguf, BigEndianTensorsReadLikeLittleEndianOnes) {
  std::string block(32 + 2, '\0');  // Q8_0: a half, then bytes
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i);
  std::string turned = block;
  std::swap(turned[0], turned[1]);
  const auto bytes_of = [&](bool big_endian, const std::string& stored, const std::string& tensor) {
    GgufWriter writer(3, big_endian);
    writer.tensor("v", {2}, {1.5f, -2}).tensor("q", 8, {2, 32}, stored + stored);
    writer.save(path_);
    const Checkpoint checkpoint = Checkpoint::open(path_);
    return checkpoint.read(checkpoint.at(tensor));
  };
  for (const char* tensor : {"q", "v"}) EXPECT_EQ(bytes_of(true, turned, tensor), bytes_of(false, block, tensor));
}

TEST(GgufFixtures, HeadersAreThoseOfTheTool) {
  ASSAY_REQUIRE_FIXTURES();
  const GgufHeader big = read_gguf(test::fixtures() / "gguf/bigendian_Q4_K/model.gguf");
  EXPECT_TRUE(big.big_endian);
  EXPECT_EQ(big.metadata->string("general.architecture"), "llama");
  EXPECT_EQ(big.tensors.at("blk.0.attn_k.weight").describe(), "Q4_K [128, 256]");
  EXPECT_EQ(read_gguf(test::fixtures() / "gguf/v2_Q1_0/model.gguf").version, 2u);
  const GgufHeader first = read_gguf(test::fixtures() / "gguf/split_Q4_K/model-00001-of-00003.gguf");
  EXPECT_EQ(first.metadata->integer("split.count"), 3);
  EXPECT_EQ(first.metadata->strings("tokenizer.ggml.tokens").size(), 1024u);
  EXPECT_EQ(first.metadata->integers("tokenizer.ggml.token_type").size(), 1024u);
}

}  // namespace
}  // namespace assay
