#include <nlohmann/json.hpp>
#include <ostream>

#include "base/error.h"
#include "base/json.h"
#include "support/errors.h"
#include "support/support.h"
#include "tokens/sentencepiece.h"
#include "tokens/tokenizer_json/pipeline.h"
#include "tokens/tokenizer_json/xz.h"

namespace assay::test {
namespace {

std::unique_ptr<Tokenizer> open_text(const std::string& json) {
  return text::make_pipeline(json, "t.json", nullptr);
}

const Json kSmall = Json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");

Json with(const std::string& pointer, const Json& value) {
  Json file = kSmall;
  file[Json::json_pointer(pointer)] = value;
  return file;
}

struct Broken {
  std::string name, json, message;  // `message`: what the Error must mention
};

void PrintTo(const Broken& file, std::ostream* out) {
  *out << file.name;
}

std::vector<Broken> broken_files() {
  const auto step = [](const char* section, const Json& value) {
    return with(std::string("/") + section, value).dump();
  };
  return {
      {"NotJson", "{\"model\": ", "not valid JSON"},
      {"NotAnObject", "[1]", "expected a JSON object"},
      {"NoModel", "{}", "\"model\" is missing"},
      {"DeepNesting", std::string(1000000, '['), "nested deeper"},
      {"UnknownModel", with("/model/type", "GPT").dump(), "\"GPT\""},
      {"NoVocabulary", R"({"model":{"type":"BPE","merges":[]}})", "no vocabulary"},
      {"VocabularyOfAnotherModel", R"({"model":{"type":"Unigram","vocab":{"a":0}}})", "no vocabulary"},
      {"NegativeId", with("/model/vocab/a", -1).dump(), "id -1"},
      {"EnormousId", with("/model/vocab/a", int64_t{1} << 40).dump(), "1099511627776"},
      {"IdBeyond64Bits", R"({"model":{"type":"BPE","vocab":{"a":99999999999999999999},"merges":[]}})", "vocab"},
      {"FractionalId", with("/model/vocab/a", 0.5).dump(), "vocab"},
      {"IdOfWrongType", with("/model/vocab/a", "zero").dump(), "vocab"},
      {"NestedVocabulary", with("/model/vocab/a", Json::object()).dump(), "vocab"},
      {"SharedId", with("/model/vocab/a", 2).dump(), "id 2 belongs to two pieces"},
      {"PieceTwice", R"({"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}})", "listed twice"},
      {"MergeOfUnknownPiece", with("/model/merges/0", "a z").dump(), "\"z\""},
      {"MergeIntoUnknownPiece", with("/model/merges/0", "b a").dump(), "\"ba\""},
      {"MergeWithoutSpace", with("/model/merges/0", "ab").dump(), "one space"},
      {"MergeWithTwoSpaces", with("/model/merges/0", "a  b").dump(), "one space"},
      {"MergeOfThree", with("/model/merges/0", {"a", "b", "ab"}).dump(), "merges"},
      {"MergeOfNumbers", with("/model/merges/0", 7).dump(), "merges"},
      {"VocabularyOfWrongType", R"({"model":{"type":"Unigram","vocab":[["a",0],["b"]]}})", "vocab"},
      {"ScoreOfWrongType", R"({"model":{"type":"Unigram","vocab":[["a","b"]]}})", "vocab"},
      {"UnknownIdOutOfRange", R"({"model":{"type":"Unigram","unk_id":5,"vocab":[["a",0]]}})", "unk_id"},
      {"Dropout", with("/model/dropout", 0.1).dump(), "dropout"},
      {"AddedTokenWithNegativeId", step("added_tokens", {{{"id", -4}, {"content", "x"}}}), "\"id\""},
      {"AddedTokenWithEnormousId", step("added_tokens", {{{"id", int64_t{1} << 40}, {"content", "x"}}}), "\"id\""},
      {"AddedTokenWithoutContent", step("added_tokens", {{{"id", 1}}}), "content"},
      {"AddedTokensOfWrongType", step("added_tokens", "none"), "added_tokens"},
      {"UnknownNormalizer", step("normalizer", {{"type", "Rot13"}}), "\"Rot13\""},
      {"UnknownPreTokenizer", step("pre_tokenizer", {{"type", "Psychic"}}), "\"Psychic\""},
      {"UnknownDecoder", step("decoder", {{"type", "Enigma"}}), "\"Enigma\""},
      {"UnknownPostProcessor", step("post_processor", {{"type", "Magic"}}), "\"Magic\""},
      {"SequenceOfWrongType", step("normalizer", {{"type", "Sequence"}, {"normalizers", 3}}), "normalizers"},
      {"PatternOfNothing",
       step("pre_tokenizer", {{"type", "Split"}, {"pattern", Json::object()}, {"behavior", "Isolated"}}), "pattern"},
      {"PatternThatDoesNotCompile",
       step("pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}}), "/(a/"},
      {"UnknownBehavior",
       step("pre_tokenizer", {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Lost"}}), "behavior"},
      {"CharacterMapThatIsNotBase64", step("normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "!!"}}),
       "base64"},
      {"CharacterMapCutShort", step("normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "////fwAA"}}),
       "trie"},
      {"TemplateWithUnknownToken",
       step("post_processor", {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "<s>"}}}}}}}),
       "special_tokens"},
      {"TemplateWithoutText", step("post_processor", {{"type", "TemplateProcessing"}, {"single", Json::array()}}),
       "sequence A once"},
      {"SpecialIdOutOfRange",
       step("post_processor", {{"type", "BertProcessing"}, {"cls", {"a", 3}}, {"sep", {"b", 1}}}), "id 3"},
  };
}

class BrokenTokenizer : public testing::TestWithParam<Broken> {};

TEST_P(BrokenTokenizer, IsRefusedWithTheReason) {
  const std::string message = error_of([] { open_text(GetParam().json); });
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with("t.json")) << message;
}

INSTANTIATE_TEST_SUITE_P(Files, BrokenTokenizer, testing::ValuesIn(broken_files()),
                         [](const auto& info) { return info.param.name; });

TEST(HostileTokenizer, HolesInTheVocabularyAreHarmless) {
  Json file = with("/model/vocab/ab", 2'000'000'000);
  const auto tokenizer = open_text(file.dump());
  EXPECT_EQ(tokenizer->encode("aab"), (std::vector<int32_t>{0, 2'000'000'000}));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{0, 2'000'000'000, 1'000'000'000}, false), "a ab");
  EXPECT_EQ(tokenizer->vocab_size(), 2'000'000'001);
}

TEST(HostileTokenizer, EveryPrefixOfAFileIsRefusedOrRead) {
  const std::string whole = with("/normalizer", {{"type", "NFC"}}).dump();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(open_text(whole.substr(0, length)), Error) << length;
  }
}

std::unique_ptr<Tokenizer> splitting_at(const std::string& pattern) {
  return open_text(
      with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}}).dump());
}

TEST(HostileTokenizer, APatternOfCatastrophicCostBecomesAnError) {
  const std::string text = std::string(5000, 'a') + "!b";  // without a b, the engine does not even start
  for (const char* pattern : {"(a*)*b", "(a|aa)+$", "a*a*a*a*a*b"}) {
    const auto tokenizer = splitting_at(pattern);
    EXPECT_NE(error_of([&] { tokenizer->encode(text); }).find("gave up"), std::string::npos) << pattern;
  }
}

TEST(HostileTokenizer, LongRunsThatNeedManyStepsStillMatch) {
  const auto tokenizer = splitting_at("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+|\\S+");
  EXPECT_NO_THROW(tokenizer->encode(std::string(1'000'000, ' ') + "a"));
}

TEST(HostileTokenizer, EmptyMatchesCutAndEnd) {
  for (const char* pattern : {"x*", "(?=b)", "", "|a"}) {
    EXPECT_EQ(splitting_at(pattern)->encode("abab"), (std::vector<int32_t>{0, 1, 0, 1})) << pattern;
  }
}

TEST(HostileTokenizer, GrowthWithoutEndBecomesAnError) {
  const std::string filler(1 << 16, 'b');
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", filler}};
  EXPECT_THROW(open_text(with("/normalizer", replace).dump())->encode(std::string(100'000, 'a')), Error);

  const Json twice = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  const Json sequence = {{"type", "Sequence"}, {"normalizers", std::vector<Json>(64, twice)}};
  EXPECT_THROW(open_text(with("/normalizer", sequence).dump())->encode("a"), Error);

  const Json bytes = {{"type", "ByteLevel"}, {"use_regex", false}};
  const Json steps = {{"type", "Sequence"}, {"pretokenizers", std::vector<Json>(64, bytes)}};
  EXPECT_THROW(open_text(with("/pre_tokenizer", steps).dump())->encode("a b"), Error);
}

TEST(HostileTokenizer, AnXzFileThatExplodesOrIsCutShortIsRefused) {
  EXPECT_TRUE(
      text::is_xz(std::string_view("\xfd"
                                   "7zXZ\0\0",
                                   7)));
  EXPECT_THROW(text::decompress_xz(std::string_view("\xfd"
                                                    "7zXZ\0\0",
                                                    7),
                                   "t.xz"),
               Error);
  EXPECT_THROW(text::decompress_xz("not xz at all", "t.xz"), Error);
}

// Protobuf by hand: tag = field << 3 | wire type.
std::string field(int number, const std::string& bytes) {
  std::string out;
  out += static_cast<char>(number << 3 | 2);
  out += static_cast<char>(bytes.size());
  return out + bytes;
}
std::string piece(const std::string& text, int type) {
  return field(1, field(1, text) + '\x18' + static_cast<char>(type));
}

std::unique_ptr<Tokenizer> open_model(const std::string& bytes) {
  return make_sentencepiece(bytes, "t.model", nullptr);
}

TEST(HostileSentencePiece, EveryPrefixOfAModelIsRefusedOrRead) {
  const std::string whole =
      piece("<unk>", 2) + piece("a", 1) + piece("ab", 1) + field(2, "\x18\x02") + field(3, "\x18\x01");
  EXPECT_NO_THROW(open_model(whole)->encode("ab c"));
  for (size_t length = 0; length < whole.size(); ++length) {
    try {
      open_model(whole.substr(0, length))->encode("ab c");
    } catch (const Error&) {
    }
  }
}

TEST(HostileSentencePiece, DamageIsRefusedWithTheReason) {
  EXPECT_NE(error_of([] { open_model(""); }).find("no pieces"), std::string::npos);
  EXPECT_NE(error_of([] { open_model("\x0a\xff\xff\xff\xff\x0f"); }).find("cut short"), std::string::npos);
  EXPECT_NE(error_of([] { open_model(std::string(12, '\xff')); }).find("ten bytes"), std::string::npos);
  EXPECT_NE(error_of([] { open_model(piece("a", 9)); }).find("type 9"), std::string::npos);
  EXPECT_NE(error_of([] { open_model(piece("", 1)); }).find("empty"), std::string::npos);
  EXPECT_NE(error_of([] { open_model(piece("a", 1) + piece("a", 1)); }).find("twice"), std::string::npos);
  EXPECT_NE(error_of([] { open_model(piece("a", 1) + field(2, "\x18\x02")); }).find("unknown"), std::string::npos);
  EXPECT_NE(error_of([] { open_model(piece("a", 1) + field(2, "\x18\x04")); }).find("model type 4"), std::string::npos);
}

TEST(HostileSentencePiece, ADamagedCharacterMapIsAnErrorNotARead) {
  // A trie of one unit whose offset leads far outside.
  const std::string map = std::string("\x04\0\0\0", 4) + std::string("\xff\xff\xff\x7f", 4);
  const auto tokenizer = open_model(piece("<unk>", 2) + field(3, field(2, map)));
  EXPECT_NE(error_of([&] { tokenizer->encode("abc"); }).find("damaged"), std::string::npos);
}

}  // namespace
}  // namespace assay::test
