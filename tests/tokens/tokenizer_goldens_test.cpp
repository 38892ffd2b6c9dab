#include "tokens/tokenizer_goldens.h"

#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/json.h"
#include "support/support.h"

namespace assay::test {

void PrintTo(const Golden& golden, std::ostream* out) {
  *out << golden.file;
}

std::vector<Golden> all_goldens() {
  std::vector<Golden> goldens;
  for (const char* name :
       {"deepseek_v3", "gemma3", "gptoss", "llama3_1", "mistral_7b", "mistral_nemo", "qwen2_5", "qwen3"}) {
    goldens.push_back(
        {name, std::string("tokenizers/") + name + "/tokenizer.json.xz", std::string("hf/") + name + ".json"});
  }
  for (const char* name :
       {"bytelevel_gpt2_prefix_space", "digits1_bytelevel", "metaspace_always_nosplit", "metaspace_first_split",
        "metaspace_never_split", "nfkc_lower_splits", "prefix_hashes_unk", "punct_bytelevel_digits3", "suffix_w_nfd",
        "unigram_precompiled", "wordlevel_tiny", "wordpiece_bert"}) {
    const std::string folder = std::string("components/") + name;
    goldens.push_back({name, folder + "/tokenizer.json", folder + "/expected.json"});
  }
  for (const char* name : {"llama2", "spm_bpe_user", "spm_unigram_identity", "spm_unigram_nfkc"}) {
    const std::string stem = std::string("spm/") + name;
    goldens.push_back({std::string("model_") + name, stem + ".tokenizer.model", stem + ".json"});
  }
  return goldens;
}

std::vector<Golden> goldens_with_wikitext() {
  std::vector<Golden> goldens = all_goldens();
  std::erase_if(goldens, [](const Golden& golden) { return golden.file.starts_with("components/"); });
  return goldens;
}

std::shared_ptr<const Tokenizer> shared_tokenizer(const Golden& golden) {
  static std::map<std::string, std::shared_ptr<const Tokenizer>> opened;
  auto& tokenizer = opened[golden.name];
  if (!tokenizer) {
    const bool shared = golden.file.starts_with("tokenizers/");
    tokenizer = open_tokenizer((shared ? shared_data() : fixtures() / "tokens") / golden.file);
  }
  return tokenizer;
}

std::vector<std::string> hard_texts() {
  std::vector<std::string> texts;
  for (const Json& entry : read_json(fixtures() / "tokens/hard_text.json")) texts.push_back(entry["text"]);
  return texts;
}

void expect_encodes(const char* mode, const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                    EncodeOptions options, const Json& want, const Json* otherwise) {
  int wrong = 0;
  for (size_t i = 0; i < texts.size() && wrong < 5; ++i) {
    const bool other = otherwise && otherwise->contains(std::to_string(i));
    const Json& expected = other ? otherwise->at(std::to_string(i)) : want[i];
    const std::vector<int32_t> got = tokenizer.encode(texts[i], options);
    if (got == expected.get<std::vector<int32_t>>()) continue;
    ++wrong;
    ADD_FAILURE() << mode << ", text " << i << ' ' << Json(texts[i]).dump() << "\n expected " << expected.dump()
                  << "\n found    " << Json(got).dump();
  }
}

std::string wikitext(const std::string& protocol) {
  const std::string raw = read_text(shared_data() / "wikitext-2-raw/wiki.test.raw");
  if (protocol == "P3") return raw;
  std::string text;
  bool first = true;
  for (size_t at = 0; at < raw.size();) {
    const size_t end = raw.find('\n', at);
    std::string line = raw.substr(at, end == std::string::npos ? end : end + 1 - at);
    at += line.size();
    if (line == " \n") line.clear();
    if (protocol == "P1" && line.empty()) continue;
    if (!first) text += "\n\n";
    text += line;
    first = false;
  }
  return text;
}

}  // namespace assay::test
