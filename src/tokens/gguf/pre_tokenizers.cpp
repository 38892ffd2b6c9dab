#include "tokens/gguf/pre_tokenizers.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace assay::text {

namespace {

// The patterns say what llama.cpp does, which is not always what the model's own tokenizer.json says:
// - it tells cases apart for ASCII letters only, so \p{Lu} and \p{Ll} are any letter but a-z and any letter but A-Z;
// - contractions do not fold the long s (U+017F);
// - in patterns that name none, white space beyond ASCII is matched by \s only, not by the ranges it lies in;
// - \d knows ASCII only.

const std::string kContraction = R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]))";
const std::string kSpaces = R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const std::string kDigit = R"(\p{N})", kDigits = R"(\p{N}+)", kThreeDigits = R"(\p{N}{1,3})";
/// Digits in threes from the right; the first group of a number keeps the text before it.
const std::string kThousands = R"([^\p{N}]*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))";
const std::string kNewlineRuns = R"([^\n]+|[\n]+)";

/// The family that began with tiktoken's cl100k: contractions, words, numbers, punctuation, white space.
std::string words(const std::string& number, const std::string& punctuation = R"( ?[^\s\p{L}\p{N}]+[\r\n]*)",
                  const std::string& spaces = kSpaces) {
  return kContraction + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)" + number + "|" + punctuation + "|" + spaces;
}

/// The family of o200k: words change at a capital letter and take their contraction along. `upper` and `lower`: the
/// characters of either part of a word.
std::string cased_words(const std::string& upper, const std::string& lower, const std::string& contraction,
                        const std::string& number) {
  const std::string before = R"([^\r\n\p{L}\p{N}]?)";
  return before + upper + "*" + lower + "+" + contraction + "|" + before + upper + "+" + lower + "*" + contraction +
         "|" + number + R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" + kSpaces;
}
const std::string kUpper = R"([\p{L}&&[^a-z]])", kLower = R"([\p{L}&&[^A-Z]])";
const std::string kUpperMarks = R"([\p{L}\p{M}&&[^a-z]])", kLowerMarks = R"([\p{L}\p{M}&&[^A-Z]])";
const std::string kAnyCase = R"([\p{L}\p{M}])";

const std::string kPunctuatedWord = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)";
const std::string kHanAndKana = R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)";
/// DeepSeek-V3's last pattern. `symbols`: what counts as punctuation or symbol.
std::string deepseek_words(const std::string& tail) {
  return kPunctuatedWord + R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)" + tail;
}

/// Cased letters as DeepSeek's first tokenizer lists them: a list of its own, without the small letters of Armenian and
/// Georgian.
const std::string kDeepseekLetters =
    R"(A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5})"
    R"(\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd})"
    R"(\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15})"
    R"(\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d})"
    R"(\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb})"
    R"(\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d})"
    R"(\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e})"
    R"(\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d})"
    R"(\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06})"
    R"(\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb})"
    R"(\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943})";
const std::string kDeepseekScripts = R"([[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]&&\S]+)";

const std::string kKimiHan =
    R"(\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2b73f}\x{2b740}-\x{2b81f})"
    R"(\x{2b820}-\x{2ceaf}\x{2ceb0}-\x{2ebef}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f})";
const std::string kAfmoeScripts =
    R"([\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{f900}-\x{faff}\x{3040}-\x{309f}\x{30a0}-\x{30ff}\x{ff65}-\x{ff9f})"
    R"(\x{2f00}-\x{2fdf}\x{e40}-\x{e7f}\x{e80}-\x{eff}\x{1780}-\x{17ff}\x{1000}-\x{109f}\x{aa60}-\x{aa7f})"
    R"(\x{a9e0}-\x{a9ff}\x{ac00}-\x{d7af}\x{1100}-\x{11ff}]+)";
const std::string kYoutuScripts =
    R"([\x{ac00}-\x{d7a3}\x{3131}-\x{318e}]+|[\x{ff01}\x{2026}\x{201c}\x{201d}\x{2018}\x{2019}\x{2014}\x{ff1a}\x{ff1b})"
    R"(\x{ff0c}\x{3001}-\x{303f}\x{fe30}-\x{fe4f}]+|[\x{3105}-\x{312f}]+|)" +
    kHanAndKana;
const std::string kBloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+)";
const std::string kJaisSpaces =
    R"(\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|)"
    R"(\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";

std::string kimi() {
  return "[" + kKimiHan + R"(]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^)" + kKimiHan + "]]+" + kContraction + "?|" + kThreeDigits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|)" + kSpaces;
}

struct Entry {
  std::vector<std::string> names;
  GgufPreTokenizer how;
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> kEntries = {
      {{"", "default"}, {.patterns = {R"([\p{P}$+<=>^~|]+)", kGpt2, kDigits, "[0-9][0-9][0-9]"}}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
       {.patterns = {words(kThreeDigits)}, .ignore_merges = true, .add_bos = true}},
      {{"dbrx", "smaug-bpe"}, {.patterns = {words(kThreeDigits)}}},
      {{"glm4", "chatglm-bpe"}, {.patterns = {words(kThreeDigits)}, .no_default_bos = true}},
      {{"jais-2"}, {.patterns = {words(kThreeDigits, R"( ?[^\s\p{L}\p{N}]+[\r\n]*)", kJaisSpaces)}}},
      {{"minicpm5"}, {.patterns = {kThreeDigits, words(kDigits)}, .ignore_merges = true}},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"},
       {.patterns = {words(kDigit)}}},
      {{"qwen35"},
       {.patterns = {kContraction + R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" +
                     kSpaces}}},
      {{"ufakzeka"}, {.patterns = {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" + kSpaces}}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"},
       {.patterns = {words(kDigit, R"( ?[^\s\p{L}\p{N}]+[\r\n]*)", R"(\s*[\r\n]|\s+(?!\S)|\s+)")}}},
      {{"seed-coder"}, {.patterns = {words(kDigit, R"( ?[^\s\p{L}\p{N}\r\n]+)")}}},
      {{"laguna"}, {.patterns = {kNewlineRuns, words(kDigit)}}},
      {{"exaone-moe"},
       {.patterns = {kContraction +
                     R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|)"
                     R"(\s*[\r\n]|\s+(?!\S)|\s+)"}}},
      {{"tekken"}, {.patterns = {cased_words(kUpper, kLower, "", kDigit)}, .ignore_merges = true, .add_bos = true}},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
       {.patterns = {cased_words(kUpper, kLower, kContraction + "?", kThreeDigits)}}},
      {{"granite-embed-multi-97m"},
       {.patterns = {cased_words(kUpperMarks, kLowerMarks, kContraction + "?", kThreeDigits)}, .ignore_merges = true}},
      {{"tiny_aya", "cohere2moe"},
       {.patterns = {kThousands, cased_words(kAnyCase, kAnyCase, kContraction + "?", kThreeDigits)}}},
      {{"youtu"},
       {.patterns = {kYoutuScripts, cased_words(kAnyCase, kAnyCase, kContraction + "?", kDigit)},
        .ignore_merges = true}},
      {{"kimi-k2"}, {.patterns = {kimi()}}},
      {{"deepseek-llm"},
       {.patterns = {R"([\r\n])", R"(\s?[)" + kDeepseekLetters + "]+",
                     R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3001}\x{3002}]+)", R"(\s+\z)",
                     kDeepseekScripts, kDigits}}},
      {{"deepseek-coder"}, {.patterns = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekScripts, kDigit}}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
       {.patterns = {kThreeDigits, kHanAndKana, deepseek_words(R"([\r\n]*|)" + kSpaces)}}},
      {{"spark2_5"}, {.patterns = {kThreeDigits, kHanAndKana, deepseek_words(R"(|[\r\n]|\s+(?!\S)|\s+)"), kDigit}}},
      {{"afmoe"}, {.patterns = {kThousands, kAfmoeScripts, deepseek_words(R"([\r\n]*|)" + kSpaces)}}},
      {{"falcon"}, {.patterns = {R"([\p{P}$+<=>^~|`]+)", kGpt2, "[0-9][0-9][0-9]"}}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
       {.patterns = {kDigit, kGpt2}}},
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
        "modern-bert", "mpt", "olmo", "jais", "trillion", "exaone4", "granite-docling", "jina-v1-en", "jina-v2-code",
        "roberta-bpe"},
       {.patterns = {kGpt2}}},
      {{"poro-chat", "bloom", "gpt3-finnish"}, {.patterns = {kBloom}}},
      {{"viking"}, {.patterns = {kBloom, kDigit}}},
      {{"chameleon"},
       {.patterns = {R"(<sentinel:[0-9]+>)", R"((?:IMGIMG)(?:(?:A|B|C|D|E|F|G|H|I){1,4})Z)", R"([\t\n]|    |  )",
                     kDigit, R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
        .add_bos = true}},
      {{"superbpe"}, {.patterns = {kDigits, R"((?=(?:[0-9]{3})+(?![0-9])))"}}},
      {{"gemma4", "granite-embed-multi-311m"},
       {.patterns = {kNewlineRuns}, .whole_newlines = true, .always_bos = true, .raw = true}},
      {{"sarvam-moe"}, {.patterns = {kNewlineRuns}, .raw = true}},
  };
  return kEntries;
}

}  // namespace

GgufPreTokenizer gguf_pre_tokenizer(const std::string& name, const std::string& where) {
  for (const Entry& entry : entries()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) == entry.names.end()) continue;
    GgufPreTokenizer how = entry.how;
    how.strip_before_mask = name == "jina-v2-de" || name == "jina-v2-es" || name == "jina-v2-code";
    return how;
  }
  fail(
      "{}: tokenizer.ggml.pre is \"{}\", a pre-tokenizer that assay does not know; known are {}. Name a tokenizer.json "
      "of the model instead",
      where, name, fmt::join(gguf_pre_tokenizer_names(), ", "));
}

std::vector<std::string> gguf_pre_tokenizer_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) {
    for (const std::string& name : entry.names) {
      if (!name.empty()) names.push_back(name);
    }
  }
  return names;
}

}  // namespace assay::text
