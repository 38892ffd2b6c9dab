#include "base/yaml.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

Json yaml(const std::string& text) {
  return parse_yaml(text, "p.yaml");
}

std::string refusal(const std::string& text) {
  return test::error_of([&] { yaml(text); });
}

TEST(Yaml, PlainWordsAreWhatPyYamlMakesOfThem) {
  EXPECT_EQ(yaml("[~, null, true, no, On, 12, -3, 1.5, 1e3, .5x, 3.00 bpw, 1.2.3, -, '7', \"true\", '']"),
            Json({nullptr, nullptr, true, false, true, 12, -3, 1.5, 1000.0, ".5x", "3.00 bpw", "1.2.3", "-", "7",
                  "true", ""}));
  EXPECT_EQ(yaml("a: {b: [1, {c: x y}]}\nd:\n"), Json({{"a", {{"b", {1, {{"c", "x y"}}}}}}, {"d", nullptr}}));
  EXPECT_EQ(yaml(""), Json(nullptr));
}

TEST(Yaml, AliasesAndMergeKeysAreCarriedOut) {
  EXPECT_EQ(yaml("base: &b {x: 1, y: 2}\nown: {<<: *b, y: 3}\n")["own"], Json({{"x", 1}, {"y", 3}}));
}

TEST(Yaml, ErrorsNameLineAndColumn) {
  EXPECT_NE(refusal("a: [1, 2\nb: 3").find("p.yaml: line 2"), std::string::npos);
  EXPECT_NE(refusal("a: 1\na: 2").find("p.yaml: line 2, column 1: the key \"a\" is there twice"), std::string::npos);
  EXPECT_NE(refusal("{[1]: 2}").find("a key must be a word"), std::string::npos);
  EXPECT_NE(refusal("<<: 3").find("needs a mapping"), std::string::npos);
  EXPECT_NE(refusal("a: *nowhere"), "");
}

TEST(Yaml, AliasBombsAndDeepNestingAreRefusedAtOnce) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string n = std::to_string(i), m = "*a" + std::to_string(i - 1);
    bomb += "a" + n + ": &a" + n + " [" + m + ", " + m + ", " + m + ", " + m + ", " + m + ", " + m + "]\n";
  }
  EXPECT_NE(refusal(bomb).find("expand to too much"), std::string::npos);
  EXPECT_NE(refusal(std::string(5000, '[')), "");
  EXPECT_NE(refusal(std::string(200, '[') + std::string(200, ']')).find("nested too deeply"), std::string::npos);
}

}  // namespace
}  // namespace assay
