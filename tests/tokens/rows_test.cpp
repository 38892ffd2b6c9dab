#include "tokens/rows.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "support/support.h"

namespace assay {
namespace {

using testing::HasSubstr;

/// One id a byte, with a BOS (id 1000).
class ByteTokenizer : public Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const override {
    std::vector<int32_t> ids;
    if (options.add_special) ids.push_back(1000);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int32_t>, bool) const override { return {}; }
  int64_t vocab_size() const override { return 1001; }
  std::optional<int32_t> token_id(std::string_view) const override { return std::nullopt; }
  std::string_view piece(int32_t) const override { return {}; }
};

class Rows : public testing::Test {
 protected:
  DataSpec spec(const std::string& text, int64_t length, int64_t stride) {
    test::write_text(dir_ / "text.txt", text);
    DataSpec out;
    out.dataset.dataset = (dir_ / "text.txt").string();
    out.tokenizer_dir = dir_.path();
    out.eval_len = length;
    out.eval_stride = stride;
    return out;
  }
  void write_template(const std::string& text) {
    test::write_text(dir_ / "chat_template.jinja", text);
    test::write_text(dir_ / "tokenizer_config.json", R"({"bos_token": {"content": "^"}, "eos_token": "$"})");
  }
  TokenRows from_file(const std::string& json, int64_t warmup = 0, int64_t max_rows = 0) {
    test::write_text(dir_ / "rows.json", json);
    DataSpec out;
    out.token_rows = dir_ / "rows.json";
    out.warmup_tokens = warmup;
    out.max_rows = max_rows;
    return make_rows(out);
  }
  std::string refusal(const std::string& json, int64_t warmup = 0) {
    try {
      from_file(json, warmup);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  test::TempDir dir_;
  ByteTokenizer tokenizer_;
};

std::string text_of(const std::vector<int32_t>& row) {
  std::string out;
  for (const int32_t id : row) out += id == 1000 ? '^' : static_cast<char>(id);
  return out;
}

TEST(WindowStarts, LeaveOutAWindowThatEndsAtTheLastToken) {
  EXPECT_EQ(window_starts(10, 5, 5, 0), (std::vector<int64_t>{0}));
  EXPECT_EQ(window_starts(11, 5, 5, 0), (std::vector<int64_t>{0, 5}));
  EXPECT_EQ(window_starts(5, 5, 1, 0), (std::vector<int64_t>{}));
  EXPECT_EQ(window_starts(8, 5, 1, 0), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(window_starts(8, 5, 1, 2), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(window_starts(0, 5, 1, 0), (std::vector<int64_t>{}));
  EXPECT_EQ(window_starts(9, INT64_MAX, 1, 0), (std::vector<int64_t>{}));
  EXPECT_EQ(window_starts(INT64_MAX, 1, INT64_MAX - 2, 0), (std::vector<int64_t>{0, INT64_MAX - 2}));
}

TEST_F(Rows, OverlapWhenTheStrideIsShort) {
  const TokenRows rows = make_rows(spec("abcdefgh", 4, 2), tokenizer_);
  ASSERT_EQ(rows.rows.size(), 3u);
  EXPECT_EQ(text_of(rows.rows[0]), "^abc");
  EXPECT_EQ(text_of(rows.rows[1]), "bcde");
  EXPECT_EQ(text_of(rows.rows[2]), "defg");
  EXPECT_EQ(rows.starts, (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(rows.bos, 1000);
  EXPECT_EQ(rows.corpus_tokens, 9);
  EXPECT_EQ(rows.targets(), 9);
  EXPECT_EQ(rows.protocol, "P3");
}

TEST_F(Rows, OfTheLlamaCppProtocolLieSideBySideAndEachBeginsWithTheBos) {
  DataSpec plain = spec("abcdefghijklmno\n", 7, 3);
  plain.chat_template = true;
  plain.add_special = false;
  const TokenRows rows = make_rows(as_llama_cpp(plain, 8), tokenizer_);
  ASSERT_EQ(rows.rows.size(), 2u);  // the newline at the end is gone, and the text ends with the second window
  EXPECT_EQ(text_of(rows.rows[0]), "^abcdefg");
  EXPECT_EQ(text_of(rows.rows[1]), "^ijklmno");
  EXPECT_EQ(rows.starts, (std::vector<int64_t>{0, 8}));
  EXPECT_EQ(rows.first_scored_position(), 4);
  EXPECT_EQ(rows.targets_per_row(), 3);
  EXPECT_EQ(rows.protocol, "llama.cpp");
  EXPECT_THAT(rows.notes, testing::Contains(HasSubstr("disjoint windows of 8 tokens")));
  const TokenRows odd = make_rows(as_llama_cpp(plain, 5), tokenizer_);
  EXPECT_EQ(odd.rows.size(), 3u);
  EXPECT_EQ(odd.first_scored_position(), 2);
  EXPECT_EQ(odd.targets_per_row(), 2);
}

TEST_F(Rows, OfTheLlamaCppProtocolNeedATextAndAWindow) {
  EXPECT_THROW(as_llama_cpp(spec("abc", 4, 4), 3), Error);
  EXPECT_THROW(make_rows(as_llama_cpp(spec("abc", 4, 4), 8), tokenizer_), Error);
  DataSpec given;
  given.token_rows = "rows.json";
  EXPECT_THROW(as_llama_cpp(given, 8), Error);
}

TEST_F(Rows, LeaveOutTheBosOnRequest) {
  DataSpec without = spec("abcdefgh", 4, 4);
  without.add_special = false;
  const TokenRows rows = make_rows(without, tokenizer_);
  EXPECT_EQ(text_of(rows.rows[0]), "abcd");
  EXPECT_EQ(rows.bos, std::nullopt);
}

TEST_F(Rows, BeginWithTheChatPrefix) {
  write_template(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}"
      "{% if add_generation_prompt %}>{% endif %}");
  DataSpec chat = spec("abcdefgh", 4, 4);
  chat.chat_template = true;
  chat.warmup_tokens = 1;
  const TokenRows rows = make_rows(chat, tokenizer_);
  const std::string prefix = "^[system:][user:Say something.]>";
  ASSERT_EQ(rows.rows.size(), 2u);
  EXPECT_EQ(text_of(rows.rows[0]), prefix + "^abc");
  EXPECT_EQ(text_of(rows.rows[1]), prefix + "defg");
  EXPECT_EQ(rows.prefix_len, static_cast<int64_t>(prefix.size()));
  EXPECT_EQ(rows.first_scored_position(), rows.prefix_len + 1);
  EXPECT_EQ(rows.scored_positions(), 3);
  EXPECT_EQ(rows.targets_per_row(), 2);
  EXPECT_EQ(rows.subtitle, ", 2 × 3 tokens, 1 token warmup, formatted");
}

TEST_F(Rows, FallBackToTheUserMessageAndSaySo) {
  write_template(
      "{% if messages[0].role == 'system' %}{{ raise_exception('No system.') }}{% endif %}<{{ messages[0].content }}>");
  DataSpec chat = spec("abcdefgh", 4, 4);
  chat.chat_template = true;
  const TokenRows rows = make_rows(chat, tokenizer_);
  EXPECT_EQ(text_of(rows.rows[1]), "<Say something.>defg");
  EXPECT_THAT(rows.notes.back(), HasSubstr("No system."));
}

TEST_F(Rows, NameTheDateThatTheTemplatePrints) {
  write_template("{{ strftime_now('%d %b %Y') }}|");
  DataSpec chat = spec("abcdefgh", 4, 4);
  chat.chat_template = true;
  RowOptions options;
  options.now = std::tm{};
  options.now->tm_year = 126;
  options.now->tm_mday = 2;
  const TokenRows rows = make_rows(chat, tokenizer_, options);
  EXPECT_EQ(text_of(rows.rows[1]), "02 Jan 2026|defg");
  EXPECT_THAT(rows.notes.back(), HasSubstr("2026-01-02"));
}

TEST_F(Rows, SayHowShortATextIs) {
  const DataSpec short_text = spec("abc", 4, 4);  // 4 tokens with the BOS: one too few
  try {
    make_rows(short_text, tokenizer_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("4 tokens"));
    EXPECT_THAT(error.what(), HasSubstr("\"eval_len\" 4 needs at least 5"));
  }
}

TEST_F(Rows, RefuseMoreIdsThanMemoryShouldHold) {
  EXPECT_THROW(make_rows(spec(std::string(40000, 'x'), 20000, 1), tokenizer_), Error);
}

TEST_F(Rows, AreReadFromAFile) {
  const TokenRows rows = from_file("[[1, 2, 3], [4, 5, 6], [7, 8, 2147483647]]", 1, 2);
  EXPECT_EQ(rows.rows, (std::vector<std::vector<int32_t>>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_EQ(rows.starts, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(rows.eval_len, 3);
  EXPECT_EQ(rows.targets_per_row(), 1);
  const std::vector<int32_t> all = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(rows.tokens_sha256, sha256(std::span(all)));
}

TEST_F(Rows, OfAFileMustBeListsOfIdsOfOneLength) {
  EXPECT_THAT(refusal("{}"), HasSubstr("list of rows"));
  EXPECT_THAT(refusal("[]"), HasSubstr("list of rows"));
  EXPECT_THAT(refusal("[1, 2]"), HasSubstr("row 0"));
  EXPECT_THAT(refusal("[[1, 2], [1, -2]]"), HasSubstr("row 1, item 1"));
  EXPECT_THAT(refusal("[[1, 2147483648]]"), HasSubstr("found 2147483648"));
  EXPECT_THAT(refusal("[[1, 18446744073709551615]]"), HasSubstr("token id"));
  EXPECT_THAT(refusal("[[1, 2.0]]"), HasSubstr("found 2.0"));
  EXPECT_THAT(refusal("[[1, \"2\"]]"), HasSubstr("token id"));
  EXPECT_THAT(refusal("[[1, 2], [1, 2, 3]]"), HasSubstr("row 1 has 3 ids"));
  EXPECT_THAT(refusal("[[1]]"), HasSubstr("nothing to score"));
  EXPECT_THAT(refusal("[[1, 2, 3]]", 2), HasSubstr("nothing to score"));
  EXPECT_THAT(refusal("[[1, 2]"), HasSubstr("not valid JSON"));
}

// Ground truth

RowOptions shared_options() {
  RowOptions options;
  options.locations.folders = {test::shared_data()};
  return options;
}

std::string hash_of(const TokenRows& rows, int64_t from, int64_t count) {
  std::vector<int32_t> ids;
  for (const auto& row : rows.rows) ids.insert(ids.end(), row.begin() + from, row.begin() + from + count);
  return sha256(std::span<const int32_t>(ids));
}

class ExampleSpec : public testing::TestWithParam<const char*> {};

TEST_P(ExampleSpec, MakesTheRowsOfCompareQ) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const auto folder = test::fixtures() / "specs";
  const Json golden = read_json(folder / "expected.json")[GetParam()];
  DataSpec spec = read_data_spec(folder / GetParam());
  spec.tokenizer_dir = test::shared_data() / "tokenizers" / spec.tokenizer_dir.filename();
  const TokenRows rows = make_rows(spec, shared_options());

  EXPECT_EQ(rows.protocol, "P1");
  EXPECT_EQ(rows.text_sha256, golden["text_sha256"]);
  EXPECT_EQ(rows.corpus_tokens, golden["corpus_tokens"]);
  ASSERT_EQ(rows.rows.size(), golden["rows"].get<size_t>());
  EXPECT_EQ(rows.rows[0].size(), golden["row_length"].get<size_t>());
  const auto prefix = golden["prefix_ids"].get<std::vector<int32_t>>();
  ASSERT_EQ(rows.prefix_len, static_cast<int64_t>(prefix.size()));
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), rows.rows.back().begin()));
  EXPECT_EQ(rows.starts.front(), golden["row_starts_first_last"][0]);
  EXPECT_EQ(rows.starts.back(), golden["row_starts_first_last"][1]);
  EXPECT_EQ(rows.tokens_sha256, golden["rows_sha256_i32le"]);
  EXPECT_EQ(rows.first_scored_position(), golden["first_scored_position_in_row"]);
  EXPECT_EQ(rows.targets_per_row(), golden["scored_targets_per_row"]);
  EXPECT_EQ(rows.targets(), golden["scored_targets"]);
  const auto first_ten = static_cast<int64_t>(std::min<size_t>(10, rows.rows.size()));
  EXPECT_EQ(rows.scored_positions() * first_ten, golden["kld_positions_first10"]);
  EXPECT_EQ(hash_of(rows, rows.first_scored_position() + 1, rows.targets_per_row()), golden["targets_sha256_i32le"]);
  std::string subtitle = golden["subtitle"];  // with a question mark where compare_q does not know the rows
  if (const size_t unknown = subtitle.find('?'); unknown != std::string::npos)
    subtitle.replace(unknown, 1, std::to_string(rows.rows.size()));
  EXPECT_EQ(rows.subtitle, subtitle);
  EXPECT_EQ(rows.data_spec_sha256, golden["data_spec_sha256_as_compare_q"]);
}

INSTANTIATE_TEST_SUITE_P(All, ExampleSpec,
                         testing::Values("data_wiki2_overlap.json", "data_wiki2_disjoint_all.json",
                                         "data_wiki2_chat_warmup.json", "data_first_rows_renamed.json"),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

TEST(QbenchRows, HaveNoBosAndAnUnfinishedAnswerAsPrefix) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const Json golden = read_json(test::fixtures() / "specs/expected.json")["qbench_project.yaml"];
  DataSpec spec;
  spec.dataset.dataset = "wiki2";
  spec.tokenizer_dir = test::shared_data() / "tokenizers/qwen3";
  spec.eval_len = 2048;
  spec.eval_stride = 1024;
  spec.max_rows = 10;
  spec.chat_template = true;
  spec.prefix_kind = ChatPrefixKind::assistant;
  spec.add_special = false;
  spec.parse_special = false;
  const TokenRows rows = make_rows(spec, shared_options());
  EXPECT_EQ(rows.tokens_sha256, golden["rows_sha256_i32le"]);
  EXPECT_EQ(rows.first_scored_position(), golden["scored_logit_positions_per_row"][0]);
  EXPECT_EQ(rows.targets_per_row(), golden["ppl_targets_per_row"]);
  EXPECT_EQ(rows.scored_positions(), golden["kld_positions_per_row"]);
}

TEST(TinyModelRows, AreThoseOfTheEndToEndNumbers) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const Json golden = read_json(test::fixtures() / "specs/tiny_base_wiki2_512.json")["data"];
  DataSpec spec;
  spec.dataset.dataset = "wiki2";
  spec.tokenizer_dir = test::fixtures() / "base";
  spec.eval_len = golden["eval_len"];
  spec.eval_stride = golden["eval_stride"];
  spec.max_rows = golden["max_rows"];
  const TokenRows rows = make_rows(spec, shared_options());
  EXPECT_EQ(rows.corpus_tokens, golden["tokens_total"]);
  EXPECT_EQ(rows.starts, golden["row_starts"].get<std::vector<int64_t>>());
  EXPECT_EQ(rows.tokens_sha256, golden["tokens_sha256_i32le"]);
}

/// Tokenizes the same text only once.
class Remembering : public Tokenizer {
 public:
  explicit Remembering(std::unique_ptr<Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const override {
    if (text.size() < 1000) return tokenizer_->encode(text, options);
    if (text != text_) ids_ = tokenizer_->encode(text_ = text, options);
    return ids_;
  }
  std::string decode(std::span<const int32_t> ids, bool skip) const override { return tokenizer_->decode(ids, skip); }
  int64_t vocab_size() const override { return tokenizer_->vocab_size(); }
  std::optional<int32_t> token_id(std::string_view token) const override { return tokenizer_->token_id(token); }
  std::string_view piece(int32_t id) const override { return tokenizer_->piece(id); }

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
  mutable std::string text_;
  mutable std::vector<int32_t> ids_;
};

class WikiWindows : public testing::TestWithParam<const char*> {};

TEST_P(WikiWindows, EqualTheReferenceInAllProtocols) {
  ASSAY_REQUIRE_FIXTURES();
  ASSAY_REQUIRE_SHARED_DATA();
  const std::string name = GetParam();
  const Json golden = read_json(test::fixtures() / "tokens/hf" / (name + ".json"))["wiki2"];
  const Remembering tokenizer(open_tokenizer(test::shared_data() / "tokenizers" / name));
  for (const auto& [protocol, expected] : golden.items()) {
    for (const auto& [window, window_golden] : expected["windows_len_stride_maxrows"].items()) {
      SCOPED_TRACE(protocol + " " + window);
      DataSpec spec;
      spec.dataset.dataset = "wiki2";
      spec.dataset.protocol = protocol_named(protocol);
      ASSERT_EQ(std::sscanf(window.c_str(), "%ld/%ld/%ld", &spec.eval_len, &spec.eval_stride, &spec.max_rows), 3);
      const TokenRows rows = make_rows(spec, tokenizer, shared_options());
      EXPECT_EQ(rows.text_sha256, expected["text_sha256"]);
      EXPECT_EQ(rows.corpus_tokens, expected["tokens"]);
      EXPECT_EQ(rows.rows.size(), window_golden["rows"].get<size_t>());
      EXPECT_EQ(rows.starts.back(), window_golden["last_start"]);
      EXPECT_EQ(rows.tokens_sha256, window_golden["sha256"]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, WikiWindows, testing::Values("qwen3", "llama3_1"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace assay
