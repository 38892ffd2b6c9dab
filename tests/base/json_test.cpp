#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

using test::error_of;
using test::expect_contains;

TEST(ParseJson, ValidTextIsParsed) {
  EXPECT_EQ(parse_json(R"( {"a":[1,2.5,"x"]} )", "text").at("a").size(), 3u);
  EXPECT_EQ(parse_json("null", "text"), Json());
}

TEST(ParseJson, NumbersThatOnlyPythonWritesHaveTheFormOfNewerLibraries) {
  const Json json = parse_json(R"({"a": [0.0, Infinity, -Infinity, NaN], "b": "NaN, \"Infinity"})", "text");
  EXPECT_EQ(json.at("a")[0], 0.0);
  EXPECT_EQ(json.at("a")[1], Json({{"__float__", "Infinity"}}));
  EXPECT_EQ(json.at("a")[2], Json({{"__float__", "-Infinity"}}));
  EXPECT_EQ(json.at("a")[3], Json({{"__float__", "NaN"}}));
  EXPECT_EQ(json.at("b"), "NaN, \"Infinity");
  expect_contains(error_of([] { parse_json("[Infinit]", "text"); }), "text: not valid JSON");
  expect_contains(error_of([] { parse_json("{NaN: 1}", "text"); }), "text: not valid JSON");
}

TEST(ParseJson, EveryTruncatedPrefixIsRefusedNamingItsOrigin) {
  const std::string text = R"({"a":[1,{"b":"c\u00e9"}],"d":true})";
  for (size_t size = 0; size < text.size(); ++size) {
    SCOPED_TRACE(size);
    expect_contains(error_of([&] { parse_json(text.substr(0, size), "some/file.json"); }), "some/file.json: not valid");
  }
}

TEST(ParseJson, NestingBeyondTheLimitIsRefused) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_json(nested(100), "text"));
  expect_contains(error_of([&] { parse_json(nested(101), "text"); }), "deeper than 100");
  expect_contains(error_of([&] { parse_json(std::string(3'000'000, '['), "text"); }), "deeper than 100");
  expect_contains(error_of([&] { parse_json(R"({"a":)" + std::string(3'000'000, '{'), "text"); }), "deeper than 100");
}

TEST(ParseJson, BracketsInsideStringsAreNoNesting) {
  const std::string brackets(1000, '[');
  EXPECT_EQ(parse_json("[\"\\\"" + brackets + "\"]", "text")[0], "\"" + brackets);
  expect_contains(error_of([&] { parse_json("[\"\\\\\"," + brackets, "text"); }), "deeper than 100");
}

TEST(ParseJson, MessagesAboutLongOrBinaryTextStayShortAndValid) {
  for (const std::string& text : {"\"" + std::string(2'000'000, 'x'), "\"" + std::string(500, '\xff') + "\"",
                                  std::string(2'000'000, 'n'), "[" + std::string(2'000'000, '1') + "x"}) {
    const std::string message = error_of([&] { parse_json(text, "text"); });
    EXPECT_LT(message.size(), 500u);
    EXPECT_NO_THROW(Json(message).dump()) << "not UTF-8";
  }
}

TEST(ReadJson, AbsentFilesAndFoldersAreErrorsThatNameThem) {
  const test::TempDir dir;
  expect_contains(error_of([&] { read_json(dir / "none.json"); }), "none.json: cannot open");
  expect_contains(error_of([&] { read_json(dir.path()); }), dir.path().string());
  test::write_text(dir / "some.json", "{\"a\":1}");
  EXPECT_EQ(read_json(dir / "some.json").at("a"), 1);
  EXPECT_EQ(read_file(dir / "some.json"), "{\"a\":1}");
}

TEST(ReadJson, FilesMayHoldZeroBytes) {
  const test::TempDir dir;
  const std::string bytes("a\0b", 3);
  test::write_text(dir / "f", bytes);
  EXPECT_EQ(read_file(dir / "f"), bytes);
}

class Object : public testing::Test {
 protected:
  const Json json = Json::parse(R"({
      "text": "x", "whole": 3, "negative": -4, "round": 5.0, "half": 2.5, "yes": true, "nothing": null,
      "huge": 9223372036854775808, "big": 9223372036854775807, "vast": 1e300,
      "list": ["a", "b"], "mixed": ["a", 1], "inner": {"deep": 1}})");
  const JsonObject object{json, "config.json"};
};

TEST_F(Object, GivesTypedValues) {
  EXPECT_EQ(object.string("text"), "x");
  EXPECT_EQ(object.integer("whole"), 3);
  EXPECT_EQ(object.integer("negative"), -4);
  EXPECT_EQ(object.integer("round"), 5);
  EXPECT_EQ(object.integer("big"), INT64_MAX);
  EXPECT_EQ(object.number("half"), 2.5);
  EXPECT_EQ(object.number("whole"), 3.0);
  EXPECT_TRUE(object.boolean("yes"));
  EXPECT_EQ(object.strings("list"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(object.object("inner").integer("deep"), 1);
}

TEST_F(Object, NullAndAbsentAreTheSame) {
  for (const char* key : {"nothing", "absent"}) {
    EXPECT_FALSE(object.has(key));
    EXPECT_EQ(object.find(key), nullptr);
    EXPECT_EQ(object.integer_or(key, 7), 7);
    EXPECT_EQ(object.string_or(key, "other"), "other");
    EXPECT_EQ(object.number_or(key, 1.5), 1.5);
    EXPECT_TRUE(object.boolean_or(key, true));
    EXPECT_FALSE(object.object_if(key).has_value());
    EXPECT_TRUE(object.strings(key).empty());
    expect_contains(error_of([&] { object.integer(key); }), "config.json: key \"" + std::string(key) + "\" is missing");
  }
}

TEST_F(Object, DefaultsDoNotHideWrongTypes) {
  EXPECT_EQ(object.integer_or("whole", 7), 3);
  EXPECT_THROW(object.integer_or("text", 7), Error);
  EXPECT_THROW(object.string_or("whole", ""), Error);
  EXPECT_THROW(object.boolean_or("whole", true), Error);
  EXPECT_THROW(object.number_or("text", 1), Error);
  EXPECT_THROW(object.object_if("list"), Error);
}

TEST_F(Object, WrongTypesAreRefusedSayingWhatWasFound) {
  expect_contains(error_of([&] { object.integer("half"); }), "key \"half\": expected an integer, found 2.5");
  expect_contains(error_of([&] { object.integer("huge"); }), "below 2^63");
  expect_contains(error_of([&] { object.integer("vast"); }), "an integer");
  expect_contains(error_of([&] { object.integer("yes"); }), "found true");
  expect_contains(error_of([&] { object.string("whole"); }), "expected a string, found 3");
  expect_contains(error_of([&] { object.boolean("whole"); }), "expected true or false");
  expect_contains(error_of([&] { object.strings("mixed"); }), "expected a list of strings, found [\"a\",1]");
  expect_contains(error_of([&] { object.object("text"); }), "config.json: text: expected a JSON object");
}

TEST_F(Object, MessagesShowOnlyTheBeginningOfLongValues) {
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "é";
  for (const std::string& text : {std::string(1000, 'x'), accents, "x" + accents}) {
    const Json long_value = {{"key", text}};
    const std::string message = error_of([&] { JsonObject(long_value, "file").integer("key"); });
    EXPECT_LT(message.size(), 200u);
    EXPECT_NO_THROW(Json(message).dump()) << "a character was cut in two";
  }
}

TEST(Nearest, FindsSlipsOfTheKeyboardOnly) {
  const std::vector<std::string> names = {"compare", "inspect", "verify"};
  EXPECT_EQ(nearest("comapre", names), "compare");
  EXPECT_EQ(nearest("verfy", names), "verify");
  EXPECT_EQ(nearest("inspect", names), "inspect");
  EXPECT_EQ(nearest("xyz", names), std::nullopt);
  EXPECT_EQ(nearest("compare", {}), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
}

}  // namespace
}  // namespace assay
