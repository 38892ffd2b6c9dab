#include "tokens/chat/chat_template.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/support.h"

namespace assay {
namespace {

using testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;

std::string render(const std::string& text, const OrderedJson& variables = OrderedJson::object()) {
  const OrderedJson messages = {{{"role", "user"}, {"content", "hi"}}};
  return ChatTemplate::parse(text).render({&messages, &variables});
}

std::string refusal(const std::string& text) {
  try {
    return "rendered: " + render(text).substr(0, 100);
  } catch (const Error& error) {
    return error.what();
  }
}

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// What these expect was printed by Jinja2 3.1.6 with the environment that chat templates are rendered in.

TEST(ChatTemplate, FollowsTheWhiteSpaceRulesOfBlocks) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a\n  {% if true -%}\n  b\n  {%- endif %}\nc\n\n"), "a\nbc\n");
  EXPECT_EQ(render("a {%+ if true %} b {% endif +%} c"), "a  b  c");
  EXPECT_EQ(render("  {{ 1 }}\n  {{ 2 -}}\n  {{- 3 }}\n"), "  1\n  23");
  EXPECT_EQ(render("{#a#}\n{#b#}\n{% set q=1 %}\n  {#c#}\n d"), " d");
  EXPECT_EQ(render("a\r\nb\r{% if true %}\r\nc{% endif %}\r\n"), "a\nb\nc");
  EXPECT_EQ(render("x {%- raw %}\n a {{ b }}\n  {%- endraw %}\nb"), "x\n a {{ b }}b");
}

TEST(ChatTemplate, ComputesLikePython) {
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** -1 }} {{ -1.5 % 1 }}"), "-4 2 3.5 0.5 0.5");
  EXPECT_EQ(render("{{ 1e16 }} {{ 1e15 }} {{ 0.00001 }} {{ 0.1 + 0.2 }}"),
            "1e+16 1000000000000000.0 1e-05 0.30000000000000004");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ true + 1 }} {{ 1 == 1.0 }}"), "True False 2 True");
  EXPECT_EQ(render("{{ [1, 'a', \"it's\", none, {'k': (1,)}] }}"), "[1, 'a', \"it's\", None, {'k': (1,)}]");
  EXPECT_EQ(render("{{ 'héllo'[::-1] }} {{ [1,2,3,4][-3:-1] }} {{ 'abc'[-100:2] }}"), "olléh [2, 3] ab");
}

TEST(ChatTemplate, ConvertsTextLikePython) {
  EXPECT_EQ(render("{{ ' a b c '.split(None, 1) }} {{ 'a,b'.split(',') }}"), "['a', 'b c '] ['a', 'b']");
  EXPECT_EQ(render("{{ 'ab'.replace('', '-') }} {{ \"they're x\".title() }}"), "-a-b- They'Re X");
  EXPECT_EQ(render("{{ {'b': 1.0, 'a': ['é<']} | tojson }}"), "{\"b\": 1.0, \"a\": [\"é<\"]}");
  EXPECT_EQ(render("{{ {'b': [], 'a': [1]} | tojson(indent=2) }}"), "{\n  \"b\": [],\n  \"a\": [\n    1\n  ]\n}");
  EXPECT_EQ(render("{{ '😀' | tojson(ensure_ascii=true) }}"), "\"\\ud83d\\ude00\"");
  EXPECT_EQ(render("{{ '<a>' | safe + '<b>' }}"), "<a>&lt;b&gt;");
}

TEST(ChatTemplate, KeepsAssignmentsInsideLoopsAndMacros) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = i + 10 %}{{ x }} {% endfor %}{{ x }}"),
            "111 112 1");
  EXPECT_EQ(render("{% set n = namespace(a=1) %}{% for i in [1,2] %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}"),
            "4");
  EXPECT_EQ(render("{% macro f() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ f() }}{% set y = 4 %}{{ f() }}"), "34");
  EXPECT_EQ(render("{% generation %}{% set z = 1 %}{{ z }}{% endgeneration %}{{ z is defined }}"), "1False");
  EXPECT_EQ(render("{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(b=2, a=3) }}"), "1132");
}

TEST(ChatTemplate, PrefersMethodsToItemsAfterADot) {
  EXPECT_EQ(render("{{ {'items': 5}['items'] }} {{ {'items': 5}.items is callable }} {{ {'a': 5}.a }}"), "5 True 5");
  EXPECT_THAT(refusal("{{ {'a': 5}.pop('a') }}"), HasSubstr("changes a dict"));
  EXPECT_THAT(refusal("{{ [].append(1) }}"), HasSubstr("changes a list"));
}

TEST(ChatTemplate, TreatsUndefinedNamesAsNothingButNotTheirAttributes) {
  EXPECT_EQ(render("[{{ x }}{{ x ~ 'a' }}{{ x | length }}{{ x is defined }}{{ none.y }}]"), "[a0False]");
  EXPECT_THAT(refusal("{{ x.y }}"), HasSubstr("'x' is undefined"));
  EXPECT_THAT(refusal("{{ messages[3].role }}"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("{{ x + 1 }}"), HasSubstr("undefined"));
  EXPECT_THAT(refusal("\n\n{{ x() }}"), HasSubstr("line 3"));
}

TEST(ChatTemplate, NamesTheLineOfASyntaxError) {
  EXPECT_THAT(refusal("a\n{{ 1 + }}"), HasSubstr("line 2: expected an expression"));
  EXPECT_THAT(refusal("a\n{% if true %}"), HasSubstr("line 2: expected endif, found the end of the template"));
  EXPECT_THAT(refusal("{{ 'abc }}"), HasSubstr("not closed"));
  EXPECT_THAT(refusal("{# a"), HasSubstr("not closed"));
  EXPECT_THAT(refusal("{% include 'x' %}"), HasSubstr("'include'"));
  EXPECT_THAT(refusal("{% break %}"), HasSubstr("outside a loop"));
  EXPECT_THAT(refusal("{{ 1 | nothing }}"), HasSubstr("no filter named 'nothing'"));
  EXPECT_THAT(refusal("{{ 1 is nothing }}"), HasSubstr("no test named 'nothing'"));
  EXPECT_THAT(refusal("caf\xe9"), HasSubstr("not UTF-8"));
}

TEST(ChatTemplate, ContinuesTheFinalMessage) {
  const OrderedJson messages = {{{"role", "user"}, {"content", "hi"}}, {{"role", "assistant"}, {"content", "The "}}};
  ChatContext context{&messages};
  context.continue_final_message = true;
  const std::string loop = "{% for m in messages %}<{{ m.content }}>{% endfor %}";
  EXPECT_EQ(ChatTemplate::parse(loop).render(context), "<hi><The ");
  const std::string trimming = "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}";
  EXPECT_EQ(ChatTemplate::parse(trimming).render(context), "<hi><The");
  EXPECT_THROW(ChatTemplate::parse("{{ messages[0].content }}").render(context), Error);
}

TEST(ChatTemplate, IsFoundInEveryUsualPlace) {
  test::TempDir dir;
  EXPECT_THROW(load_chat_template(dir.path()), Error);
  const auto rendered = [&] { return load_chat_template(dir.path()).program.render({}); };
  test::write_text(dir / "tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "no"},
      {"name": "default", "template": "list"}], "bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null,
      "add_bos_token": true})");
  EXPECT_EQ(rendered(), "list");
  const auto tokens = load_chat_template(dir / "tokenizer.json").special_tokens;
  EXPECT_EQ(tokens, (std::vector<std::pair<std::string, std::string>>{{"bos_token", "<s>"}, {"eos_token", "</s>"}}));
  test::write_text(dir / "chat_template.json", R"({"chat_template": "separate"})");
  EXPECT_EQ(rendered(), "separate");
  test::write_text(dir / "chat_template.jinja", "jinja\n");
  EXPECT_EQ(rendered(), "jinja");
}

// Templates come with checkpoints, from strangers.

TEST(HostileTemplate, CannotLoopForever) {
  EXPECT_THAT(refusal("{{ range(1000000000) }}"), HasSubstr("range()"));
  const std::string nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
  EXPECT_THAT(refusal(nested), HasSubstr("it "));
  EXPECT_THAT(refusal("{{ range(0, 9223372036854775807, 9223372036854775806) | list }}"), HasSubstr("rendered"));
}

TEST(HostileTemplate, CannotRecurseForever) {
  EXPECT_THAT(refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{% macro f(x) %}{{ f(x | map('upper') | list) }}{% endmacro %}{{ f([1]) }}"),
              HasSubstr("nested deeper"));
}

TEST(HostileTemplate, CannotMakeHugeTexts) {
  EXPECT_THAT(refusal("{{ 'x' * 1000000000000 }}"), HasSubstr("bytes"));
  EXPECT_THAT(refusal("{{ [1] * 9223372036854775807 }}"), HasSubstr("bytes"));
  EXPECT_THAT(refusal("{% set n = namespace(s='x') %}{% for i in range(64) %}{% set n.s = n.s + n.s %}{% endfor %}"),
              HasSubstr("bytes"));
  EXPECT_THAT(refusal("{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}"), HasSubstr("bytes"));
  EXPECT_THAT(refusal("{{ (['a' * 1000000] * 1000) | join }}"), HasSubstr("bytes"));
  EXPECT_THAT(refusal("{{ {'a': ['b' * 1000000] * 1000} | tojson }}"), HasSubstr("bytes"));
  EXPECT_THAT(refusal("{{ [1] | tojson(indent=1000000000) }}"), HasSubstr("indent"));
  EXPECT_THAT(refusal("{{ ('a,' * 8000000).split(',') }}"), HasSubstr("bytes"));
  EXPECT_THAT(refusal("{% for i in range(99999) %}" + std::string(1000, 'x') + "{% endfor %}"), HasSubstr("bytes"));
}

TEST(HostileTemplate, CannotNestDeeply) {
  EXPECT_THAT(refusal("{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{{ " + repeated("not ", 100000) + "1 }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{{ " + repeated("-", 100000) + "1 }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{{ 1" + repeated(" + 1", 100000) + " }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{{ a" + repeated(".a", 100000) + " }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{{ 1" + repeated(" if 1 else 1", 100000) + " }}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(repeated("{% if 1 %}", 100000)), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{% set " + repeated("(", 100000) + "x" + repeated(")", 100000) + " = 1 %}"),
              HasSubstr("nested deeper"));
}

TEST(HostileTemplate, CannotBuildDeepValues) {
  const std::string deepen = "{% set n = namespace(x=1) %}{% for i in range(99999) %}{% set n.x = ";
  EXPECT_THAT(refusal(deepen + "[n.x] %}{% endfor %}"), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(deepen + "{'a': n.x} %}{% endfor %}"), HasSubstr("nested deeper"));
  EXPECT_THAT(
      refusal("{% set n = namespace(x='a') %}{% for i in range(99999) %}{% set n.x = [n.x].index %}{% endfor %}"),
      HasSubstr("nested deeper"));
  EXPECT_THAT(refusal("{% set n = namespace(x=1) %}{% for i in range(9999) %}{% for j in [n.x] %}{% set n.x = loop %}"
                      "{% endfor %}{% endfor %}"),
              HasSubstr("nested deeper"));
}

TEST(HostileTemplate, MayTieItselfIntoAKnot) {
  EXPECT_THAT(refusal("{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n] %}{{ n.n.l[0].l }}"),
              HasSubstr("namespace"));
  EXPECT_EQ(render("{% macro f() %}a{% endmacro %}{% set n = namespace(f=f) %}{{ n.f() }}"), "a");
}

TEST(HostileTemplate, CannotCompareOrPrintSharedListsForever) {
  const std::string doubling =
      "{% set n = namespace(x=[]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] %}{% endfor %}";
  EXPECT_THAT(refusal(doubling + "{{ n.x == [n.x[0], n.x[1]] }}"), HasSubstr("steps"));
  EXPECT_THAT(refusal(doubling + "{{ n.x }}"), HasSubstr("it "));
  EXPECT_THAT(refusal(doubling + "{{ n.x | tojson }}"), HasSubstr("it "));
}

TEST(HostileTemplate, CannotOverflowNumbers) {
  EXPECT_THAT(refusal("{{ 9223372036854775807 + 1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(refusal("{{ (-9223372036854775807 - 1) // -1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(refusal("{{ 3 ** 9999999 }}"), HasSubstr("64 bits"));
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }}"), "0");
  EXPECT_THAT(refusal("{{ 1 / 0 }}"), HasSubstr("zero"));
  EXPECT_THAT(refusal("{{ 1 % 0.0 }}"), HasSubstr("zero"));
  EXPECT_EQ(render("{{ [1,2,3][9223372036854775807:] }}{{ [1,2][-9223372036854775807::9223372036854775807] }}"),
            "[][1]");
}

}  // namespace
}  // namespace assay
