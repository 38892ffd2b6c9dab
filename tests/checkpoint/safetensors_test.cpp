#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

SafetensorsHeader parse(const std::string& header, uint64_t data_bytes) {
  return parse_safetensors(header, 8 + header.size() + data_bytes, "file");
}

TEST(Safetensors, TensorsHaveTheirPlaceInTheFile) {
  const std::string text =
      R"({"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"I64","shape":[1],"data_offsets":[12,20]}})";
  const SafetensorsHeader header = parse(text, 20);
  ASSERT_EQ(header.tensors.size(), 2u);
  const StoredTensor& b = header.tensors.at("b");
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.dtype, DType::I64);
  EXPECT_EQ(b.shape, std::vector<int64_t>{1});
  EXPECT_EQ(b.offset, 8 + text.size() + 12);
  EXPECT_EQ(b.bytes, 8u);
  EXPECT_EQ(header.tensors.at("a").elements(), 6);
  EXPECT_EQ(header.tensors.at("a").describe(), "BF16 [2, 3]");
  EXPECT_TRUE(header.notes.empty());
}

TEST(Safetensors, OrderOfNamesAndKeysIsFree) {
  const SafetensorsHeader header = parse(
      R"({"late":{"data_offsets":[4,8],"shape":[4],"dtype":"U8"},"early":{"shape":[4],"dtype":"I8","data_offsets":[0,4]}})",
      8);
  EXPECT_LT(header.tensors.at("early").offset, header.tensors.at("late").offset);
}

TEST(Safetensors, ScalarsHaveOneElement) {
  const SafetensorsHeader header = parse(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4);
  EXPECT_EQ(header.tensors.at("s").elements(), 1);
  EXPECT_EQ(header.tensors.at("s").describe(), "F32 []");
}

TEST(Safetensors, EmptyTensorsMayLieAnywhere) {
  const SafetensorsHeader header = parse(
      R"({"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},
          "inside":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[3,3]},
          "end":{"dtype":"F32","shape":[7,0],"data_offsets":[8,8]}})",
      8);
  EXPECT_EQ(header.tensors.at("inside").elements(), 0);
  EXPECT_EQ(header.tensors.at("end").bytes, 0u);
}

TEST(Safetensors, AHeaderWithoutTensorsIsValid) {
  EXPECT_TRUE(parse("{}", 0).tensors.empty());
}

TEST(Safetensors, SubByteElementsArePacked) {
  const SafetensorsHeader header = parse(
      R"({"f4":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]},"f6":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[3,6]}})",
      6);
  EXPECT_EQ(header.tensors.at("f4").bytes, 3u);
  EXPECT_EQ(header.tensors.at("f6").bytes, 3u);
}

TEST(Safetensors, BlanksAroundTheHeaderAreAllowed) {
  EXPECT_EQ(parse("  {\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}} \n\t  ", 1).tensors.size(), 1u);
}

TEST(Safetensors, MetadataIsKeptAndIsNoTensor) {
  const SafetensorsHeader header = parse(
      R"({"__metadata__":{"format":"pt","count":3,"nested":{"format":["x",{"y":null}]}},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
      1);
  EXPECT_EQ(header.tensors.size(), 1u);
  ASSERT_EQ(header.metadata.size(), 1u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
}

TEST(Safetensors, NullMetadataIsTolerated) {
  EXPECT_TRUE(parse(R"({"__metadata__":null})", 0).metadata.empty());
}

TEST(Safetensors, UnknownKeysOfATensorAreIgnored) {
  const SafetensorsHeader header = parse(
      R"({"a":{"strides":[1,{"shape":[2]}],"dtype":"U8","note":"F32","shape":[1],"id":7,"data_offsets":[0,1]}})", 1);
  EXPECT_EQ(header.tensors.at("a").describe(), "U8 [1]");
}

TEST(Safetensors, BytesOfNoTensorAreNoted) {
  const SafetensorsHeader header = parse(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[5,7]}})",
      10);
  ASSERT_EQ(header.notes.size(), 1u);
  EXPECT_EQ(header.notes[0], "6 bytes belong to no tensor");
}

TEST(Safetensors, NamesMayBeAnyText) {
  const SafetensorsHeader header = parse(
      R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"é\u00e9\n":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2);
  EXPECT_TRUE(header.tensors.contains(""));
  EXPECT_TRUE(header.tensors.contains("éé\n"));
}

}  // namespace
}  // namespace assay
