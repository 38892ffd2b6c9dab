#include "tokens/data_spec.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/support.h"

namespace assay {
namespace {

using testing::HasSubstr;

Json minimal() {
  return {{"tokenize_fn", "transformers"},
          {"tokenizer_dir", "tok"},
          {"dataset", "wiki2"},
          {"eval_len", 2048},
          {"eval_stride", 512}};
}

Json with(const char* key, Json value) {
  Json spec = minimal();
  spec[key] = std::move(value);
  return spec;
}

DataSpec parse(const Json& spec) {
  return parse_data_spec(spec, "data.json", "base");
}

std::string refusal(const Json& spec) {
  try {
    parse(spec);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DataSpec, HasTheDefaultsOfCompareQ) {
  const DataSpec spec = parse(minimal());
  EXPECT_EQ(spec.tokenizer_dir, "base/tok");
  EXPECT_EQ(spec.eval_len, 2048);
  EXPECT_EQ(spec.eval_stride, 512);
  EXPECT_EQ(spec.max_rows, 0);
  EXPECT_EQ(spec.warmup_tokens, 0);
  EXPECT_FALSE(spec.chat_template);
  EXPECT_TRUE(spec.add_special);
  EXPECT_TRUE(spec.notes.empty());
  EXPECT_EQ(chart_subtitle(spec, spec.eval_len, 31), "wikitext2, 31 × 2048 tokens");
}

TEST(DataSpec, NamesTheNearestKeyForAMisspeltOne) {
  EXPECT_THAT(refusal(with("warmup_token", 5)), HasSubstr("did you mean \"warmup_tokens\""));
  EXPECT_THAT(refusal(with("evallen", 5)), HasSubstr("did you mean \"eval_len\""));
  EXPECT_THAT(refusal(with("chat_templte", true)), HasSubstr("did you mean \"chat_template\""));
}

TEST(DataSpec, IgnoresAForeignKeyWithANote) {
  const DataSpec spec = parse(with("remarks_of_the_author", "x"));
  ASSERT_EQ(spec.notes.size(), 1u);
  EXPECT_THAT(spec.notes[0], HasSubstr("remarks_of_the_author"));
}

TEST(DataSpec, NamesTheMissingKey) {
  for (const char* key : {"tokenize_fn", "tokenizer_dir", "dataset", "eval_len", "eval_stride"}) {
    Json spec = minimal();
    spec.erase(key);
    EXPECT_THAT(refusal(spec), HasSubstr(key));
  }
}

TEST(DataSpec, RefusesValuesThatMakeNoSense) {
  EXPECT_THAT(refusal(with("tokenize_fn", "exllamav2")), HasSubstr("transformers"));
  EXPECT_THAT(refusal(with("eval_len", 1)), HasSubstr("eval_len"));
  EXPECT_THAT(refusal(with("eval_len", "2048")), HasSubstr("eval_len"));
  EXPECT_THAT(refusal(with("eval_stride", 0)), HasSubstr("eval_stride"));
  EXPECT_THAT(refusal(with("eval_stride", -512)), HasSubstr("eval_stride"));
  EXPECT_THAT(refusal(with("max_rows", -1)), HasSubstr("max_rows"));
  EXPECT_THAT(refusal(with("warmup_tokens", -1)), HasSubstr("warmup_tokens"));
  EXPECT_THAT(refusal(with("warmup_tokens", 2048)), HasSubstr("warmup_tokens"));
  EXPECT_THAT(refusal(with("warmup_tokens", 2047)), HasSubstr("at most 2046"));
  EXPECT_EQ(refusal(with("warmup_tokens", 2046)), "accepted");
  EXPECT_THAT(refusal(with("max_text_rows", -1)), HasSubstr("max_text_rows"));
  EXPECT_THAT(refusal(with("text_protocol", "P4")), HasSubstr("P1"));
  EXPECT_THAT(refusal(Json::array()), HasSubstr("JSON object"));
}

TEST(DataSpec, PrefersTheNewerNameOfAKey) {
  Json spec = with("dataset_split", "train");
  spec["split"] = "test";
  spec["max_text_rows"] = 5;
  spec["max_dataset_rows"] = 6;
  const DataSpec parsed = parse(spec);
  EXPECT_EQ(parsed.dataset.split, "train");
  EXPECT_EQ(parsed.dataset.max_text_rows, 5);
}

TEST(DataSpec, ShowsDisplayValuesAsPythonPrintsThem) {
  Json spec = with("display_rows", "seven");
  spec["display_eval_len"] = 1.5;
  spec["dataset_display_name"] = "my text";
  spec["warmup_tokens"] = 48;
  spec["chat_template"] = true;
  EXPECT_EQ(chart_subtitle(parse(spec), 2048, 31), "my text, seven × 1.5 tokens, 48 token warmup, formatted");
}

TEST(DataSpec, TokenRowsReplaceTokenizerAndDataSet) {
  const DataSpec spec = parse(Json{{"token_rows", "rows.json"}, {"max_rows", 3}, {"warmup_tokens", 7}});
  EXPECT_EQ(spec.token_rows, "base/rows.json");
  EXPECT_EQ(spec.display_name, "rows.json");
  EXPECT_EQ(spec.max_rows, 3);
  EXPECT_EQ(spec.warmup_tokens, 7);
  EXPECT_THAT(refusal(Json{{"token_rows", "rows.json"}, {"chat_template", true}}), HasSubstr("chat_template"));
}

TEST(DataSpec, HashesLikePythonJson) {
  // hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
  Json spec = minimal();
  spec["text_column"] = "é😀\x7f\"\n";
  spec["display_eval_len"] = 1e16;
  spec["dataset_data_files"] = Json::array();
  EXPECT_EQ(parse(spec).sha256, "adc255df1989c37faca3564371e62f7975790012c10334b7014c6c7e224940a4");
}

TEST(DataSpec, HashesTheExamplesLikeCompareQ) {
  ASSAY_REQUIRE_FIXTURES();
  const auto folder = test::fixtures() / "specs";
  const Json expected = read_json(folder / "expected.json");
  int checked = 0;
  for (const auto& [name, golden] : expected.items()) {
    if (!name.starts_with("data_")) continue;
    const DataSpec spec = read_data_spec(folder / name);
    EXPECT_EQ(spec.sha256, golden["data_spec_sha256_as_compare_q"]) << name;
    // Where the spec does not limit the rows compare_q shows a question mark; assay has counted them.
    std::string subtitle = golden["subtitle"];
    if (const size_t unknown = subtitle.find('?'); unknown != std::string::npos) subtitle.replace(unknown, 1, "99");
    EXPECT_EQ(chart_subtitle(spec, spec.eval_len, spec.max_rows > 0 ? spec.max_rows : 99), subtitle) << name;
    ++checked;
  }
  EXPECT_EQ(checked, 4);
}

}  // namespace
}  // namespace assay
