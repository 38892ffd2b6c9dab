#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "made_files.h"
#include "support/support.h"

namespace assay {
namespace {

using test::error_of;
using test::expect_contains;

struct BadHeader {
  const char* what;
  std::string header;
  std::string expected;
};

const std::vector<BadHeader>& bad_headers() {
  static const std::vector<BadHeader> rows = {
      {"unknown dtype", R"({"t":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}})", R"(unknown dtype "F7")"},
      {"lower-case dtype", R"({"t":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})", R"(unknown dtype "u8")"},
      {"dtype no string", R"({"t":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", "dtype: expected a string"},
      {"dtype null", R"({"t":{"dtype":null,"shape":[1],"data_offsets":[0,1]}})", "dtype: expected a string"},
      {"dtype an object", R"({"t":{"dtype":{"a":1},"shape":[1],"data_offsets":[0,1]}})", "found \"an object\""},
      {"dtype missing", R"({"t":{"shape":[1],"data_offsets":[0,1]}})", "key \"dtype\" is missing"},
      {"shape missing", R"({"t":{"dtype":"U8","data_offsets":[0,1]}})", "key \"shape\" is missing"},
      {"offsets missing", R"({"t":{"dtype":"U8","shape":[1]}})", "key \"data_offsets\" is missing"},
      {"negative dimension", R"({"t":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "found \"-1\""},
      {"float dimension", R"({"t":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", "found \"1.0\""},
      {"string dimension", R"({"t":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", "shape: expected"},
      {"nested shape", R"({"t":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", "shape: expected"},
      {"shape a number", R"({"t":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", "shape: expected a list"},
      {"dimension of 2^63", R"({"t":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}})", "2^63"},
      {"dimension beyond 2^64", R"({"t":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})",
       "shape: expected"},
      {"product beyond 2^63", R"({"t":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
       "more elements"},
      {"bits beyond 2^64", R"({"t":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}})",
       "more elements"},
      {"product that wraps to 1", R"({"t":{"dtype":"U8","shape":[7,7905747460161236407],"data_offsets":[0,1]}})",
       "more elements"},
      {"17 dimensions", R"({"t":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
       "more than 16 dimensions"},
      {"offsets reversed", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[4,3]}})", "end before they begin"},
      {"offsets out of range", R"({"t":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", "only 8 bytes"},
      {"offsets near 2^64",
       R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}})",
       "only 8 bytes"},
      {"one offset", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", "found 1 numbers"},
      {"three offsets", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", "more than two"},
      {"negative offset", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", "found \"-1\""},
      {"float offset", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1e0]}})", "found \"1e0\""},
      {"offsets a string", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":"0,1"}})", "data_offsets: expected a list"},
      {"too few bytes", R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "needs 8 bytes"},
      {"too many bytes", R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,4]}})", "needs 2 bytes"},
      {"half a byte", R"({"t":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "whole bytes"},
      {"overlap",
       R"({"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"u":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
       "tensor \"t\" and tensor \"u\" share bytes"},
      {"same place twice",
       R"({"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"u":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       "share bytes"},
      {"overlap behind a small tensor",
       R"({"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"u":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       "share bytes"},
      {"duplicate name",
       R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       "appears twice"},
      {"duplicate key", R"({"t":{"dtype":"U8","shape":[1],"shape":[2],"data_offsets":[0,1]}})",
       "key \"shape\" appears twice"},
      {"tensor a list", R"({"t":[1,2]})", "expected an object"},
      {"tensor a string", R"({"t":"U8"})", "expected an object"},
      {"tensor null", R"({"t":null})", "expected an object"},
  };
  return rows;
}

TEST(HostileHeader, IsRefusedNamingFileAndTensor) {
  const test::TempDir dir;
  for (const BadHeader& bad : bad_headers()) {
    SCOPED_TRACE(bad.what);
    test::write_text(dir / "m.safetensors", test::safetensors(bad.header, 8));
    const std::string message = error_of([&] { Checkpoint::open(dir / "m.safetensors"); });
    expect_contains(message, (dir / "m.safetensors").string());
    expect_contains(message, "tensor \"t\"");
    expect_contains(message, bad.expected);
  }
}

TEST(HostileHeader, ThatIsNoJsonObjectIsRefusedNamingTheFile) {
  const test::TempDir dir;
  const std::string valid = R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  const std::vector<std::string> headers = {"",
                                            "   ",
                                            "[]",
                                            "3",
                                            "null",
                                            "\"text\"",
                                            "{",
                                            "}",
                                            "nonsense",
                                            valid + "}",
                                            valid + valid,
                                            valid + std::string(1, '\0'),
                                            valid + std::string("\0junk", 5),
                                            "{\"t\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                                            "{\"\xc3\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"};
  for (const std::string& header : headers) {
    SCOPED_TRACE(header);
    test::write_text(dir / "m.safetensors", test::safetensors(header, 8));
    expect_contains(error_of([&] { Checkpoint::open(dir / "m.safetensors"); }), (dir / "m.safetensors").string());
  }
}

TEST(HostileHeader, DeepNestingIsRefusedWithoutRecursion) {
  const std::string deep(1'000'000, '[');
  for (const std::string& header : {deep, "{\"t\":" + deep, R"({"__metadata__":{"a":)" + deep,
                                    R"({"t":{"extra":)" + deep, R"({"t":{"shape":)" + deep}) {
    const std::string message = error_of([&] { parse_safetensors(header, 8 + header.size(), "file"); });
    EXPECT_LT(message.size(), 500u);
  }
}

TEST(HostileHeader, MessagesStayShortAndPrintable) {
  const std::string name(5'000'000, 'n');
  std::string header = "{\"" + name + "\":{\"dtype\":\"" + name + "\"}}";
  std::string message = error_of([&] { parse_safetensors(header, 8 + header.size(), "file"); });
  EXPECT_LT(message.size(), 1000u);
  header = "{\"" + name + "\xff\":1}";
  message = error_of([&] { parse_safetensors(header, 8 + header.size(), "file"); });
  EXPECT_LT(message.size(), 1000u);
  EXPECT_EQ(message.find('\xff'), std::string::npos);
  header = "{\"t\":{\"shape\":[" + std::string(5'000'000, '9') + "]}}";
  message = error_of([&] { parse_safetensors(header, 8 + header.size(), "file"); });
  EXPECT_LT(message.size(), 1000u);
  header = "{\"\\u001b[2Jx\":1}";
  message = error_of([&] { parse_safetensors(header, 8 + header.size(), "file"); });
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  expect_contains(message, "\"\\x1b[2Jx\"");
}

TEST(HostileFile, HeaderLengthsThatCannotBeAreRefused) {
  const test::TempDir dir;
  const auto with_length = [&](uint64_t length, const std::string& rest) {
    std::string file;
    for (int i = 0; i < 8; ++i) file += static_cast<char>(length >> (8 * i) & 0xff);
    test::write_text(dir / "m.safetensors", file + rest);
    return error_of([&] { Checkpoint::open(dir / "m.safetensors"); });
  };
  expect_contains(with_length(0, "{}"), "not valid JSON");
  expect_contains(with_length(3, "{}"), "only 2 follow");
  expect_contains(with_length(100'000'000, "{}"), "incomplete download");
  expect_contains(with_length(100'000'001, "{}"), "at most 100000000");
  expect_contains(with_length(uint64_t{1} << 63, "{}"), "not a safetensors file");
  expect_contains(with_length(UINT64_MAX, "{}"), "not a safetensors file");
  expect_contains(with_length(UINT64_MAX - 7, "{}"), "not a safetensors file");
}

const std::string kSmallFile = test::safetensors(
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F4","shape":[8],"data_offsets":[12,16]}})",
    16);

TEST(HostileFile, EveryTruncatedPrefixIsRefused) {
  const test::TempDir dir;
  for (size_t size = 0; size < kSmallFile.size(); ++size) {
    SCOPED_TRACE(size);
    test::write_text(dir / "m.safetensors", kSmallFile.substr(0, size));
    expect_contains(error_of([&] { Checkpoint::open(dir / "m.safetensors"); }), "m.safetensors");
  }
  test::write_text(dir / "m.safetensors", kSmallFile);
  EXPECT_EQ(Checkpoint::open(dir / "m.safetensors").tensors().size(), 2u);
}

TEST(HostileFile, ATruncatedDownloadIsCalledThat) {
  const test::TempDir dir;
  test::write_text(dir / "m.safetensors", kSmallFile.substr(0, kSmallFile.size() - 1));
  expect_contains(error_of([&] { Checkpoint::open(dir / "m.safetensors"); }), "incomplete download");
}

/// What opening promises, whatever the bytes were.
void expect_sound(const SafetensorsHeader& header, uint64_t file_bytes) {
  for (const auto& [name, tensor] : header.tensors) {
    EXPECT_LE(tensor.offset, file_bytes);
    EXPECT_LE(tensor.bytes, file_bytes - tensor.offset);
    const auto elements = static_cast<uint64_t>(tensor.elements());
    EXPECT_EQ(tensor.bytes * 8, elements * static_cast<uint64_t>(bits_of(tensor.dtype)));
  }
}

TEST(HostileFile, EveryChangedByteIsRefusedOrHarmless) {
  const std::string header = kSmallFile.substr(8, kSmallFile.size() - 8 - 16);
  int accepted = 0, refused = 0;
  for (size_t at = 0; at < header.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = header;
      changed[at] = static_cast<char>(byte);
      try {
        expect_sound(parse_safetensors(changed, kSmallFile.size(), "file"), kSmallFile.size());
        ++accepted;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, accepted);
}

TEST(HostileFile, OtherKindsOfFileAreRecognised) {
  const test::TempDir dir;
  const auto message = [&](const std::string& text) {
    test::write_text(dir / "m.safetensors", text);
    return error_of([&] { Checkpoint::open(dir / "m.safetensors"); });
  };
  expect_contains(message("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"), "git lfs pull");
  expect_contains(message("GGUF\x03" + std::string(40, '\0')), "GGUF");
  expect_contains(message("PK\x03\x04" + std::string(40, '\0')), "zip archive");
  expect_contains(message("<!DOCTYPE html><html></html>"), "web page");
}

}  // namespace
}  // namespace assay
