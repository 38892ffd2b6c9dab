#include "base/hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace assay {
namespace {

// The expected values are the published ones (FIPS 180-2, the xxHash test suite) or come from Python's hashlib.

TEST(Sha256Hash, AgreesWithPublishedVectors) {
  EXPECT_EQ(sha256(std::string_view()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256Hash, PiecesHashLikeTheWhole) {
  const std::string text(1000, 'x');
  Sha256 hash;
  for (size_t i = 0; i < text.size(); i += 7) hash.update(text.data() + i, std::min<size_t>(7, text.size() - i));
  EXPECT_EQ(hash.hex(), sha256(text));
}

TEST(Sha256Hash, IdsAreLittleEndianInt32) {
  const std::vector<int32_t> ids = {1, 256, -1};
  EXPECT_EQ(sha256(std::span<const int32_t>(ids)), sha256(std::string_view("\1\0\0\0\0\1\0\0\xff\xff\xff\xff", 12)));
}

TEST(ContentHashing, AgreesWithThePublishedEmptyHash) {
  EXPECT_EQ(ContentHash().hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(ContentHashing, PiecesHashLikeTheWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 31);
  ContentHash whole, pieces;
  whole.update(text);
  for (size_t i = 0; i < text.size(); i += 13) pieces.update(std::string_view(text).substr(i, 13));
  EXPECT_EQ(pieces.hex(), whole.hex());
  EXPECT_EQ(whole.hex().size(), 32u);
}

TEST(ContentHashing, EveryByteCounts) {
  std::string text(300, 'a');
  ContentHash before;
  before.update(text);
  const std::string unchanged = before.hex();
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] ^= 1;
    ContentHash after;
    after.update(text);
    EXPECT_NE(after.hex(), unchanged) << i;
    text[i] ^= 1;
  }
}

}  // namespace
}  // namespace assay
