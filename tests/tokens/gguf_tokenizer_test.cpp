#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/hash.h"
#include "base/json.h"
#include "checkpoint/gguf.h"
#include "support/errors.h"
#include "support/support.h"
#include "tokens/chat/chat_template.h"
#include "tokens/gguf/pre_tokenizers.h"
#include "tokens/gguf_vocabulary.h"
#include "tokens/rows.h"
#include "tokens/sentencepiece.h"
#include "tokens/tokenizer.h"
#include "tokens/tokenizer_goldens.h"
#include "tokens/tokenizer_json/xz.h"
#include "tokens/vocabulary_match.h"

namespace assay::test {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const Tokenizer> vocabulary_file(const std::string& name) {
  static std::map<std::string, std::shared_ptr<const Tokenizer>> opened;
  auto& tokenizer = opened[name];
  if (tokenizer) return tokenizer;
  const fs::path file = shared_data() / "gguf-vocabs" / ("ggml-vocab-" + name + ".gguf");
  if (fs::exists(file)) return tokenizer = open_tokenizer(file);
  const TempDir temp;
  const std::string packed = file.string() + ".xz";
  write_text(temp / "vocab.gguf", text::decompress_xz(read_text(packed), packed));
  return tokenizer = open_tokenizer(temp / "vocab.gguf");
}

std::vector<std::string> cases(const fs::path& file) {
  constexpr std::string_view kEnd = "\n__ggml_vocab_test__\n";
  const std::string all = read_text(file);
  std::vector<std::string> out;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = all.find(kEnd, begin);
    out.push_back(all.substr(begin, end - begin));
    if (end == std::string::npos) break;
    begin = end + kEnd.size();
  }
  return out;
}

class GgufVocabularyGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    ASSAY_REQUIRE_SHARED_DATA();
    tokenizer_ = vocabulary_file(GetParam());
    expected_ = read_json(fixtures() / "tokens/gguf" / (std::string(GetParam()) + ".json"));
    texts_ = hard_texts();
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  Json expected_;
  std::vector<std::string> texts_;
};

TEST_P(GgufVocabularyGolden, EncodesEveryHardText) {
  const Json& hard = expected_["hard_text"];
  const Json& plain = hard["add_special_false_parse_special_false"];
  expect_encodes("special tokens as plain text", *tokenizer_, texts_, {.add_special = false, .parse_special = false},
                 plain);
  expect_encodes("with special tokens", *tokenizer_, texts_, {}, hard["add_special_true_parse_special_true"]);
  expect_encodes("without special tokens", *tokenizer_, texts_, {.add_special = false}, plain,
                 &hard["parse_special_true_where_different"]);
  EXPECT_EQ(tokenizer_->vocab_size(), expected_["n_tokens"].get<int64_t>());
}

TEST_P(GgufVocabularyGolden, EncodesTheCasesThatLlamaCppShips) {
  const fs::path stem = shared_data() / "gguf-vocabs" / ("ggml-vocab-" + std::string(GetParam()) + ".gguf");
  if (!fs::exists(stem.string() + ".inp")) GTEST_SKIP() << "llama.cpp ships none for this vocabulary";
  std::istringstream lines(read_text(stem.string() + ".out"));
  const std::vector<std::string> inputs = cases(stem.string() + ".inp");
  ASSERT_GT(inputs.size(), 40u);
  for (const std::string& input : inputs) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    std::istringstream numbers(line);
    const std::vector<int32_t> want{std::istream_iterator<int32_t>(numbers), {}};
    EXPECT_EQ(tokenizer_->encode(input, {.add_special = false, .parse_special = false}), want) << input;
  }
}

TEST_P(GgufVocabularyGolden, EncodesWikitextAsAWhole) {
  for (const auto& [protocol, want] : expected_["wiki2"].items()) {
    const std::string text = wikitext(protocol);
    ASSERT_EQ(sha256(text), want["text_sha256"]) << protocol;
    const std::vector<int32_t> ids = tokenizer_->encode(text, {.add_special = true, .parse_special = false});
    EXPECT_EQ(ids.size(), want["tokens"].get<size_t>()) << protocol;
    EXPECT_EQ(sha256(std::span<const int32_t>(ids)), want["sha256_i32le"]) << protocol;
  }
}

TEST_P(GgufVocabularyGolden, DecodesToTheText) {
  if (std::string(GetParam()) == "falcon") GTEST_SKIP() << "it has no tokens for some control characters";
  const bool spaces_are_symbols = tokenizer_->token_id("\u2581the").has_value();
  for (size_t i = 0; i < texts_.size(); ++i) {
    const std::vector<int32_t> ids = tokenizer_->encode(texts_[i], {.add_special = false, .parse_special = false});
    std::string want = texts_[i];
    for (size_t at = 0; spaces_are_symbols && (at = want.find("\u2581", at)) != std::string::npos;) {
      want.replace(at, 3, " ");
    }
    EXPECT_EQ(tokenizer_->decode(ids, false), want) << "text " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, GgufVocabularyGolden,
                         testing::Values("deepseek-llm", "falcon", "gpt-2", "gpt-neox", "llama-bpe", "llama-spm",
                                         "phi-3", "qwen2"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Ids that llama.cpp's own library gave for vocabularies that no file of the shared data holds.
class GgufTokenizerHashes : public testing::Test {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    ASSAY_REQUIRE_SHARED_DATA();
    expected_ = read_json(test_data() / "gguf_tokenizers.json");
    texts_ = expected_["texts"].get<std::vector<std::string>>();
    hard_ = hard_texts();
  }

  static std::string hash(const Tokenizer& tokenizer, const std::vector<std::string>& texts, bool special = false) {
    std::vector<int32_t> all;
    for (const std::string& text : texts) {
      const auto ids = tokenizer.encode(text, {.add_special = special, .parse_special = special});
      all.insert(all.end(), ids.begin(), ids.end());
      all.push_back(-1);
    }
    return sha256(std::span<const int32_t>(all));
  }

  void expect_kind(const std::string& name, GgufVocabulary vocabulary) const {
    const auto tokenizer = make_gguf_tokenizer(std::move(vocabulary), name);
    const Json& want = expected_["kinds"][name];
    EXPECT_EQ(hash(*tokenizer, hard_), want["hard_text"]) << name;
    EXPECT_EQ(hash(*tokenizer, texts_), want["texts"]) << name;
    EXPECT_EQ(hash(*tokenizer, texts_, true), want["texts_full"]) << name;
  }

  Json expected_;
  std::vector<std::string> texts_, hard_;
};

TEST_F(GgufTokenizerHashes, EveryPreTokenizerCutsAsLlamaCppDoes) {
  GgufVocabulary vocabulary = read_gguf_vocabulary(*gguf_metadata(shared_data() / "gguf-vocabs/ggml-vocab-gpt-2.gguf"));
  for (const std::string& name : text::gguf_pre_tokenizer_names()) {
    ASSERT_TRUE(expected_["pre"].contains(name)) << name;
    const Json& want = expected_["pre"][name];
    vocabulary.pre = name;
    const auto tokenizer = make_gguf_tokenizer(vocabulary, name);
    EXPECT_EQ(!tokenizer->encode("").empty(), want["add_bos"]) << name;
    EXPECT_EQ(hash(*tokenizer, hard_), want["hard_text"]) << name;
    if (want.contains("texts")) {
      EXPECT_EQ(hash(*tokenizer, texts_), want["texts"]) << name;
    }
  }
}

GgufVocabulary sentencepiece_vocabulary(const std::string& name, const std::string& model) {
  const fs::path file = fixtures() / "tokens/spm" / (name + ".tokenizer.model");
  const SentencePieceModel pieces = parse_sentencepiece(read_text(file), file.string());
  GgufVocabulary out;
  out.model = model;
  out.pre = "default";
  out.charsmap = pieces.charsmap;
  for (const SentencePieceModel::Piece& piece : pieces.pieces) {
    if (piece.type == SentencePieceModel::Type::kUnknown) out.unk = static_cast<int64_t>(out.tokens.size());
    out.tokens.push_back(piece.text);
    out.scores.push_back(piece.score);
    out.types.push_back(static_cast<GgufVocabulary::Type>(piece.type));
  }
  return out;
}

TEST_F(GgufTokenizerHashes, SentencePieceVocabulariesWithAndWithoutPrefix) {
  for (const std::string name : {"llama2", "spm_bpe_user"}) {
    for (const bool prefix : {false, true}) {
      GgufVocabulary vocabulary = sentencepiece_vocabulary(name, "llama");
      vocabulary.add_space_prefix = prefix;
      expect_kind(name + (prefix ? "_1" : "_0"), vocabulary);
    }
  }
}

TEST_F(GgufTokenizerHashes, UnigramVocabulariesWithEveryFlag) {
  for (const bool prefix : {false, true}) {
    for (const bool one_space : {false, true}) {
      GgufVocabulary vocabulary = sentencepiece_vocabulary("spm_unigram_nfkc", "t5");
      vocabulary.add_space_prefix = prefix;
      vocabulary.remove_extra_whitespaces = one_space;
      vocabulary.bos = 1;
      vocabulary.eos = 2;
      expect_kind(fmt::format("spm_unigram_nfkc_{:d}{:d}", prefix, one_space), vocabulary);
    }
  }
}

TEST_F(GgufTokenizerHashes, WordPieceVocabularies) {
  const Json json = read_json(fixtures() / "tokens/components/wordpiece_bert/tokenizer.json");
  const Json& pieces = json["model"]["vocab"];
  GgufVocabulary vocabulary;
  vocabulary.model = "bert";
  vocabulary.tokens.resize(pieces.size());
  vocabulary.types.assign(pieces.size(), GgufVocabulary::Type::kNormal);
  for (const auto& [piece, id] : pieces.items()) {
    vocabulary.tokens[id] = piece.starts_with("##") ? piece.substr(2) : "\u2581" + piece;
  }
  for (const Json& added : json["added_tokens"]) {
    vocabulary.tokens[added["id"]] = added["content"];
    vocabulary.types[added["id"]] = GgufVocabulary::Type::kControl;
  }
  vocabulary.bos = pieces["[CLS]"];
  vocabulary.sep = pieces["[SEP]"];
  vocabulary.unk = pieces["[UNK]"];
  expect_kind("bert", vocabulary);
  vocabulary.strip_accents = false;
  expect_kind("bert_accents", vocabulary);
  vocabulary.strip_accents.reset();
  vocabulary.lowercase = false;
  expect_kind("bert_cased", vocabulary);
}

TEST_F(GgufTokenizerHashes, MergesOfCharactersWithByteTokens) {
  const fs::path file = shared_data() / "tokenizers/gemma3/tokenizer.json.xz";
  const Json json = parse_json(text::decompress_xz(read_text(file), file.string()), file.string());
  GgufVocabulary vocabulary;
  vocabulary.model = "gemma4";
  const Json& pieces = json["model"]["vocab"];
  size_t count = 0;
  for (const auto& [piece, id] : pieces.items()) count = std::max(count, id.get<size_t>() + 1);
  for (const Json& added : json["added_tokens"]) count = std::max(count, added["id"].get<size_t>() + 1);
  vocabulary.tokens.resize(count);
  vocabulary.types.assign(count, GgufVocabulary::Type::kUnused);
  for (const auto& [piece, id] : pieces.items()) {
    vocabulary.tokens[id] = piece;
    vocabulary.types[id] = GgufVocabulary::Type::kNormal;
  }
  for (const Json& added : json["added_tokens"]) {
    vocabulary.tokens[added["id"]] = added["content"];
    vocabulary.types[added["id"]] =
        added["special"].get<bool>() ? GgufVocabulary::Type::kControl : GgufVocabulary::Type::kUserDefined;
  }
  for (const Json& merge : json["model"]["merges"]) {
    vocabulary.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  expect_kind("gemma3_merges", vocabulary);
}

GgufVocabulary letters() {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"a", "b", "ab", "<x>"};
  vocabulary.types.assign(4, GgufVocabulary::Type::kNormal);
  vocabulary.merges = {"a b"};
  vocabulary.add_bos = false;
  return vocabulary;
}

TEST(GgufTokenizer, RefusesWhatItDoesNotKnowByName) {
  GgufVocabulary vocabulary = letters();
  vocabulary.pre = "gpt-9";
  std::string message = error_of([&] { make_gguf_tokenizer(vocabulary, "m.gguf"); });
  expect_contains(message, "m.gguf");
  expect_contains(message, "\"gpt-9\"");
  expect_contains(message, "qwen2");
  vocabulary.model = "plamo2";
  expect_contains(error_of([&] { make_gguf_tokenizer(vocabulary, "m.gguf"); }), "\"plamo2\"");
}

TEST(GgufTokenizer, RefusesDamagedVocabularies) {
  const auto refusal = [](auto damage) {
    GgufVocabulary vocabulary = letters();
    damage(vocabulary);
    return error_of([&] { make_gguf_tokenizer(vocabulary, "m.gguf"); });
  };
  expect_contains(refusal([](GgufVocabulary& v) { v.tokens.clear(); }), "tokenizer.ggml.tokens");
  expect_contains(refusal([](GgufVocabulary& v) { v.tokens[1] = "a"; }), "\"a\" is listed twice");
  expect_contains(refusal([](GgufVocabulary& v) { v.types.pop_back(); }), "3 tokenizer.ggml.token_type for 4 tokens");
  expect_contains(refusal([](GgufVocabulary& v) { v.scores = {1, 2, std::nanf(""), 3}; }), "score of token 2");
  expect_contains(refusal([](GgufVocabulary& v) { v.merges.clear(); }), "tokenizer.ggml.merges");
  expect_contains(refusal([](GgufVocabulary& v) { v.add_bos = true; }), "bos_token_id");
  expect_contains(refusal([](GgufVocabulary& v) { v.add_bos = true, v.bos = -1; }), "bos_token_id");
  expect_contains(refusal([](GgufVocabulary& v) { v.tokens[0].assign(5000, 'a'); }), "5000 bytes");
}

TEST(GgufTokenizer, AMergeIntoNoTokenIsSpelledByItsBytes) {
  GgufVocabulary vocabulary = letters();
  vocabulary.merges = {"b a", "a b", "", "ab", "a b"};
  const auto tokenizer = make_gguf_tokenizer(vocabulary, "m.gguf");
  EXPECT_EQ(tokenizer->encode("ab"), (std::vector<int32_t>{2}));
  EXPECT_EQ(tokenizer->encode("bab"), (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(tokenizer->encode("xay"), (std::vector<int32_t>{0}));
}

TEST(GgufTokenizer, TheLongestSpecialTokenGoesFirstEvenFromFurtherRight) {
  GgufVocabulary vocabulary = letters();
  vocabulary.tokens.insert(vocabulary.tokens.end(), {"ba", "abb", "bbbbb"});
  vocabulary.types.assign(7, GgufVocabulary::Type::kNormal);
  for (size_t id = 4; id < 7; ++id) vocabulary.types[id] = GgufVocabulary::Type::kUserDefined;
  const auto tokenizer = make_gguf_tokenizer(vocabulary, "m.gguf");
  EXPECT_EQ(tokenizer->encode("babb"), (std::vector<int32_t>{1, 5}));
  EXPECT_EQ(tokenizer->encode("abbbbbb"), (std::vector<int32_t>{0, 6, 1}));
  EXPECT_EQ(tokenizer->encode("bababb"), (std::vector<int32_t>{4, 1, 5}));
}

/// Ids of the hard texts and of wiki2, from the vocabulary in a GGUF file and from a tokenizer.json.
void expect_same_ids(const fs::path& gguf, const fs::path& json) {
  const auto from_gguf = open_tokenizer(gguf), from_json = open_tokenizer(json);
  std::vector<std::string> texts = hard_texts();
  texts.push_back(wikitext("P1"));
  for (const std::string& text : texts) {
    EXPECT_EQ(from_gguf->encode(text, {.add_special = false}), from_json->encode(text, {.add_special = false}))
        << text.substr(0, 100);
  }
  EXPECT_EQ(from_gguf->vocab_size(), from_json->vocab_size());
}

TEST(GgufTokenizer, AModelHasTheIdsOfTheTokenizerFileItWasConvertedWith) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  expect_same_ids(fixtures() / "gguf/Q4_0/model.gguf", fixtures() / "base/tokenizer.json");
  expect_same_ids(fixtures() / "gguf/bigendian_Q4_K/model.gguf", fixtures() / "base/tokenizer.json");
}

TEST(GgufTokenizer, SmolLm2HasTheIdsOfItsTokenizerFile) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const char* real = std::getenv("ASSAY_REAL");
  if (!real)
    GTEST_SKIP() << "set ASSAY_REAL to a folder with q4_1.gguf and bf16/ as shared/tools/make_real.py makes it";
  expect_same_ids(fs::path(real) / "q4_1.gguf", fs::path(real) / "bf16");
}

TEST(GgufTokenizer, AChatPrefixIsTheOneOfTheTokenizerFile) {
  ASSAY_REQUIRE_FIXTURES();
  const std::tm now{};
  const fs::path gguf = fixtures() / "gguf/Q4_0/model.gguf", json = fixtures() / "base";
  const ChatPrefix from_gguf = chat_prefix(gguf, *open_tokenizer(gguf), now);
  const ChatPrefix from_json = chat_prefix(json, *open_tokenizer(json), now);
  EXPECT_FALSE(from_gguf.ids.empty());
  EXPECT_EQ(from_gguf.text, from_json.text);
  EXPECT_EQ(from_gguf.ids, from_json.ids);
}

TEST(GgufTokenizer, CutsTheWindowsThatLlamaPerplexityScored) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const TempDir temp;
  write_text(temp / "text.txt", wikitext("P3").substr(0, 8000));
  const Json expected = read_json(fixtures() / "gguf/Q8_0/expected.json")["llama_cpp"];
  DataSpec spec;
  spec.tokenizer_dir = fixtures() / "gguf/Q8_0/model.gguf";
  spec.dataset.dataset = (temp / "text.txt").string();
  const TokenRows rows = make_rows(as_llama_cpp(spec, kLlamaCppLength));
  EXPECT_EQ(rows.corpus_tokens, expected["tokens"].get<int64_t>());
  EXPECT_EQ(rows.rows.size(), expected["chunks"].get<size_t>());
  EXPECT_EQ(rows.targets_per_row(), expected["scored_per_chunk"].get<int64_t>());
}

TEST(VocabularyNote, NamesAnIdThatMeansSomethingElseToTheModel) {
  ASSAY_REQUIRE_FIXTURES();
  const auto used = open_tokenizer(fixtures() / "base/tokenizer.json");
  const std::vector<int32_t> ids = used->encode("Some text of no importance.");
  EXPECT_EQ(vocabulary_note(*used, ids, fixtures() / "gguf/Q4_0/model.gguf"), "");
  EXPECT_EQ(vocabulary_note(*used, ids, fixtures() / "gguf_arch/llama/model.gguf"), "");  // it has no tokenizer
  EXPECT_EQ(vocabulary_note(*used, ids, fixtures() / "gguf_arch"), "");
  const fs::path other = fixtures() / "tokens/components/bytelevel_gpt2_prefix_space/tokenizer.json";
  const std::string note =
      vocabulary_note(*open_tokenizer(other), std::vector<int32_t>{7, 8, 9, 9}, fixtures() / "gguf/Q4_0/model.gguf");
  expect_contains(note, "of 3 ids in the data, ");
  expect_contains(note, "mean something else");
}

}  // namespace
}  // namespace assay::test
