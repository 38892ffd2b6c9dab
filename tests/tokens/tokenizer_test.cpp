#include "tokens/tokenizer.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "support/support.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/pipeline.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::test {
namespace {

using Ids = std::vector<int32_t>;

/// A small byte-level tokenizer: ids 0 to 255 are the bytes, then "he", "ll", "hell", "hello".
Json byte_level_file() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string piece;
    text::append_byte_level(piece, std::string(1, static_cast<char>(byte)));
    vocab[piece] = byte;
  }
  int32_t next = 256;
  for (const char* piece : {"he", "ll", "hell", "hello"}) vocab[piece] = next++;
  return {{"added_tokens", {{{"id", 260}, {"content", "<s>"}, {"special", true}, {"normalized", false}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "hell o"}}}}};
}

std::unique_ptr<Tokenizer> make(const Json& file) {
  return text::make_pipeline(file.dump(), "tokenizer.json", nullptr);
}

TEST(Tokenizer, MergesByRank) {
  const auto tokenizer = make(byte_level_file());
  EXPECT_EQ(tokenizer->encode("hello"), (Ids{259}));
  EXPECT_EQ(tokenizer->encode("hell"), (Ids{258}));
  EXPECT_EQ(tokenizer->encode("lllhe"), (Ids{257, 'l', 256}));
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->vocab_size(), 261);
  EXPECT_EQ(tokenizer->token_id("hello"), 259);
  EXPECT_EQ(tokenizer->token_id("<s>"), 260);
  EXPECT_EQ(tokenizer->token_id("absent"), std::nullopt);
}

TEST(Tokenizer, KeepsBytesOfZero) {
  const auto tokenizer = make(byte_level_file());
  EXPECT_EQ(tokenizer->encode(std::string_view("a\0b", 3)), (Ids{'a', 0, 'b'}));
  EXPECT_EQ(tokenizer->decode(Ids{'a', 0, 'b'}, false), std::string("a\0b", 3));
}

TEST(Tokenizer, ReadsBrokenUtf8AsReplacementCharacters) {
  const auto tokenizer = make(byte_level_file());
  EXPECT_EQ(tokenizer->encode("a\xff"), tokenizer->encode("a\ufffd"));
  EXPECT_EQ(text::repair_utf8("a\xe2\x82"), "a\ufffd");                  // a character cut short is one
  EXPECT_EQ(text::repair_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");    // a surrogate is three
  EXPECT_EQ(text::repair_utf8("\xf0\x9f\x98\xc3\xa9"), "\ufffd\u00e9");  // what follows survives
  EXPECT_EQ(text::repair_utf8("\xc0\x80\xf5z\xf4\x90"), "\ufffd\ufffd\ufffdz\ufffd\ufffd");
  EXPECT_TRUE(text::valid_utf8("plain, \u00e9, \u20ac, \U0001f600"));
}

TEST(Tokenizer, SkipsSpecialTokensAndUnknownIdsWhenDecoding) {
  const auto tokenizer = make(byte_level_file());
  const Ids ids = {260, 259, 1 << 20, -7};
  EXPECT_EQ(tokenizer->decode(ids, true), "hello");
  EXPECT_EQ(tokenizer->decode(ids, false), "<s>hello");
}

TEST(Tokenizer, GivesSpecialTokensTheirIdsOnlyWhenAsked) {
  const auto tokenizer = make(byte_level_file());
  EXPECT_EQ(tokenizer->encode("<s>he"), (Ids{260, 256}));
  EXPECT_EQ(tokenizer->encode("<s>he", {.parse_special = false}), (Ids{'<', 's', '>', 256}));
}

TEST(Tokenizer, AddsTheBosThatTheClassAdds) {
  const TempDir folder;
  write_text(folder / "tokenizer.json", byte_level_file().dump());
  Json config = {
      {"tokenizer_class", "LlamaTokenizerFast"}, {"add_bos_token", true}, {"bos_token", {{"content", "<s>"}}}};
  write_text(folder / "tokenizer_config.json", config.dump());
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("he"), (Ids{260, 256}));
  EXPECT_EQ(tokenizer->encode("he", {.add_special = false}), (Ids{256}));
  ASSERT_EQ(tokenizer->notes().size(), 1u);
  EXPECT_NE(tokenizer->notes()[0].find("LlamaTokenizerFast"), std::string::npos);

  EXPECT_EQ(open_tokenizer(folder / "tokenizer.json")->encode("he"), (Ids{256})) << "a file by name has no config";
  config["tokenizer_class"] = "Qwen2Tokenizer";
  write_text(folder / "tokenizer_config.json", config.dump());
  EXPECT_EQ(open_tokenizer(folder.path())->encode("he"), (Ids{256})) << "this class does not heed the key";
}

TEST(Tokenizer, AddsOneBosWhenThePostProcessorDoesIt) {
  Json file = byte_level_file();
  file["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
                            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {260}}}}}}};
  const TempDir folder;
  write_text(folder / "tokenizer.json", file.dump());
  write_text(folder / "tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer","add_bos_token":true})");
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("he"), (Ids{260, 256}));
  EXPECT_TRUE(tokenizer->notes().empty());
}

TEST(Tokenizer, NestsPostProcessors) {
  Json file = byte_level_file();
  const Json inner = {{"type", "BertProcessing"}, {"cls", {"a", 1}}, {"sep", {"b", 2}}};
  const Json outer = {{"type", "RobertaProcessing"}, {"cls", {"c", 3}}, {"sep", {"d", 4}}};
  file["post_processor"] = {{"type", "Sequence"}, {"processors", {inner, outer}}};
  EXPECT_EQ(make(file)->encode("he"), (Ids{3, 1, 256, 2, 4}));
}

TEST(Tokenizer, NumbersAddedTokensAsTheLibraryDoes) {
  Json file = byte_level_file();
  file["added_tokens"] = {{{"id", 9000}, {"content", "<new>"}}, {{"id", 5}, {"content", "hello"}}};
  const auto tokenizer = make(file);
  EXPECT_EQ(tokenizer->encode("<new>hello"), (Ids{260, 259}));
  EXPECT_EQ(tokenizer->notes().size(), 2u);
}

TEST(Tokenizer, CutsLongTextsWithoutChangingIds) {
  // No pre-tokenizer, so the whole text is one piece; "b a" joins across what looks like a word boundary.
  Json file = {{"model",
                {{"type", "BPE"},
                 {"vocab", {{"a", 0}, {"b", 1}, {"c", 2}, {"ba", 3}, {"baba", 4}, {"<unk>", 5}}},
                 {"merges", {"b a", "ba ba"}},
                 {"unk_token", "<unk>"},
                 {"fuse_unk", true}}}};
  const auto tokenizer = make(file);
  std::string long_text;
  Ids want;
  for (int i = 0; i < 1000; ++i) {
    long_text += "cbabacxxab";
    const Ids part = {2, 4, 2, 5, 0, 1};
    want.insert(want.end(), part.begin(), part.end());
  }
  EXPECT_EQ(tokenizer->encode(long_text), want);
}

TEST(Tokenizer, MergesAMillionCharactersWithoutAPlaceToCut) {
  Json file = {
      {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"aa", 1}, {"aaaa", 2}}}, {"merges", {"a a", "aa aa"}}}}};
  const Ids ids = make(file)->encode(std::string(1'000'002, 'a'));
  EXPECT_EQ(ids.size(), 250'001u);
  EXPECT_EQ(ids.back(), 1);
}

TEST(Tokenizer, DecomposesARunOfMarksInOrderAndInTime) {
  Json file = {{"normalizer", {{"type", "NFC"}}},
               {"model", {{"type", "WordLevel"}, {"vocab", {{"<unk>", 0}, {"\u1e69", 1}}}}}};
  const auto tokenizer = make(file);
  EXPECT_EQ(tokenizer->encode("s\u0307\u0323"), (Ids{1}));
  std::string run = "s";
  for (int i = 0; i < 200'000; ++i) run += "\u0307\u0323";
  EXPECT_EQ(tokenizer->encode(run), (Ids{0}));
}

TEST(Tokenizer, SaysWhatIsMissingFromAFolder) {
  const TempDir folder;
  try {
    open_tokenizer(folder.path());
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tokenizer.json"), std::string::npos) << error.what();
  }
  EXPECT_THROW(open_tokenizer(folder / "absent.json"), Error);
}

}  // namespace
}  // namespace assay::test
