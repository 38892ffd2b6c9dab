#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "support/support.h"
#include "tokens/tokenizer.h"
#include "tokens/tokenizer_goldens.h"

namespace assay::test {
namespace {

namespace fs = std::filesystem;

class TokenizerGolden : public testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    ASSAY_REQUIRE_SHARED_DATA();
    tokenizer_ = shared_tokenizer(GetParam());
    expected_ = read_json(fixtures() / "tokens" / GetParam().expected);
    texts_ = hard_texts();
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  Json expected_;
  std::vector<std::string> texts_;
};

TEST_P(TokenizerGolden, EncodesEveryHardText) {
  const Json& hard = expected_["hard_text"];
  const Json& plain = hard.contains("encode") ? hard["encode"] : hard["without_special"];
  expect_encodes("without special tokens", *tokenizer_, texts_, {.add_special = false}, plain);
  if (hard.contains("with_special"))
    expect_encodes("with special tokens", *tokenizer_, texts_, {}, hard["with_special"]);
  if (const auto other = hard.find("special_text_as_plain_text_where_different"); other != hard.end()) {
    expect_encodes("special tokens as plain text", *tokenizer_, texts_, {.add_special = false, .parse_special = false},
                   plain, &*other);
  }
}

TEST_P(TokenizerGolden, DecodesEveryHardTextAndKnowsItsSize) {
  const Json& hard = expected_["hard_text"];
  const Json& ids = hard.contains("encode") ? hard["encode"] : hard["without_special"];
  const Json& different = hard["decoded_where_different_from_text"];
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto other = different.find(std::to_string(i));
    const std::string want = other != different.end() ? other->get<std::string>() : texts_[i];
    EXPECT_EQ(tokenizer_->decode(ids[i].get<std::vector<int32_t>>(), false), want) << "text " << i;
  }
  for (const char* key : {"vocab_size_with_added", "pieces"}) {
    if (expected_.contains(key)) {
      EXPECT_EQ(tokenizer_->vocab_size(), expected_[key].get<int64_t>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TokenizerGolden, testing::ValuesIn(all_goldens()),
                         [](const auto& info) { return info.param.name; });

class TokenizerWikitext : public TokenizerGolden {};

TEST_P(TokenizerWikitext, EncodesTheWholeInEveryProtocol) {
  const char* key = expected_.contains("wiki2") ? "wiki2" : "wiki2_with_bos_where_bos_exists";
  ASSERT_EQ(expected_[key].size(), 3u);
  for (const auto& [protocol, want] : expected_[key].items()) {
    const std::string text = wikitext(protocol);
    ASSERT_EQ(sha256(text), want["text_sha256"]) << protocol;
    const std::vector<int32_t> ids = tokenizer_->encode(text);
    EXPECT_EQ(ids.size(), want["tokens"].get<size_t>()) << protocol;
    EXPECT_EQ(sha256(std::span<const int32_t>(ids)), want["sha256_i32le"]) << protocol;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TokenizerWikitext, testing::ValuesIn(goldens_with_wikitext()),
                         [](const auto& info) { return info.param.name; });

TEST(TokenizerGolden, TheJsonFormOfASentencePieceModelFindsControlPiecesInText) {
  ASSAY_REQUIRE_FIXTURES();
  const fs::path folder = fixtures() / "tokens/spm";
  const Json expected = read_json(folder / "llama2.json");
  const auto tokenizer = open_tokenizer(folder / "llama2.tokenizer.json.xz");
  const std::vector<std::string> texts = hard_texts();
  const Json& different = expected["tokenizer_json_gives_other_ids"];
  ASSERT_EQ(different.size(), 13u);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto other = different.find(std::to_string(i));
    const Json& want = other != different.end() ? *other : expected["hard_text"]["encode"][i];
    EXPECT_EQ(tokenizer->encode(texts[i], {.add_special = false}), want.get<std::vector<int32_t>>()) << "text " << i;
  }
}

}  // namespace
}  // namespace assay::test
