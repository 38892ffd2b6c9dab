#include "tokens/gguf/special_tokens.h"

#include <algorithm>
#include <array>
#include <map>
#include <queue>
#include <unordered_map>

namespace assay::text {

namespace {

using Type = GgufVocabulary::Type;
using Ids = std::unordered_map<std::string_view, int32_t>;

// Ends of a turn or a text, by their spelling in one family or another.
constexpr std::array kEnds = {"<|eot_id|>",
                              "<|im_end|>",
                              "<|end|>",
                              "<|return|>",
                              "<|call|>",
                              "<|flush|>",
                              "<|calls|>",
                              "<end_of_turn>",
                              "<|endoftext|>",
                              "</s>",
                              "<|eom_id|>",
                              "<EOT>",
                              "_<EOT>",
                              "[EOT]",
                              "[EOS]",
                              "<|end_of_text|>",
                              "<end_of_utterance>",
                              "<eos>",
                              "<turn|>",
                              "<|tool_response>",
                              "<｜end▁of▁sentence｜>",
                              "[e~["};

/// Parts of fill-in-the-middle prompts: the first of these in a vocabulary that names none counts as a control token.
struct Role {
  std::optional<int64_t> GgufVocabulary::*id;
  std::vector<std::string_view> spellings;
};
const std::vector<Role>& roles() {
  static const std::vector<Role> kRoles = {
      {&GgufVocabulary::fim_prefix,
       {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
        "<|prefix|>"}},
      {&GgufVocabulary::fim_suffix,
       {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
        "<|suffix|>"}},
      {&GgufVocabulary::fim_middle,
       {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
        "<|middle|>"}},
      {&GgufVocabulary::fim_pad, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
      {&GgufVocabulary::fim_repo, {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
      {&GgufVocabulary::fim_separator, {"<|file_sep|>"}},
  };
  return kRoles;
}

/// C's isspace, which llama.cpp strips.
bool is_c_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool contains_phi3(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
}

}  // namespace

GgufSpecialTokens::GgufSpecialTokens(const GgufVocabulary& vocabulary, bool strip_before_mask) {
  tokens_by_id_.resize(vocabulary.tokens.size());
  Ids ids;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const Type type = vocabulary.types.empty() ? Type::kNormal : vocabulary.types[i];
    Token& token = tokens_by_id_[i];
    token.control = type == Type::kControl || type == Type::kUnknown;
    token.special = token.control || type == Type::kUserDefined;
    ids.emplace(vocabulary.tokens[i], static_cast<int32_t>(i));
  }
  const auto find = [&](std::string_view spelling) -> Token* {
    const auto found = ids.find(spelling);
    return found == ids.end() ? nullptr : &tokens_by_id_[found->second];
  };
  const auto make_control = [&](std::string_view spelling) {
    Token* token = find(spelling);
    if (token) token->special = token->control = true;
    return token != nullptr;
  };
  for (const Role& role : roles()) {
    if (vocabulary.*role.id) continue;
    for (const std::string_view spelling : role.spellings) {
      if (make_control(spelling)) break;
    }
  }
  for (const char* spelling : kEnds) make_control(spelling);

  // Harmony's marks are kept in what the model says, so they are no control tokens; nor is its "<|end|>".
  const auto make_user_defined = [&](const char* spelling) {
    if (Token* token = find(spelling)) token->special = true, token->control = false;
  };
  for (const char* spelling : {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}) make_user_defined(spelling);
  if ((find("<|return|>") && find("<|call|>")) || ((find("<|call|>") || find("<|calls|>")) && find("<|flush|>"))) {
    make_user_defined("<|end|>");
  }
  if (Token* token = find("</s>"); token && find("<|tool_response>")) token->special = token->control = false;

  if (strip_before_mask) {
    if (Token* token = find("<mask>")) token->lstrip = true;
  } else if (contains_phi3(vocabulary.model_name)) {
    for (Token& token : tokens_by_id_) token.rstrip = token.special;
    for (const char* spelling : {"<unk>", "<s>", "<|endoftext|>"}) {
      if (Token* token = find(spelling)) token->rstrip = false;
    }
  }
  for (size_t i = 0; i < tokens_by_id_.size(); ++i) {
    if (tokens_by_id_[i].special) trie_.insert(vocabulary.tokens[i], static_cast<int32_t>(i));
  }
}

GgufSpecialTokens::Found GgufSpecialTokens::longest(std::string_view text, size_t at, size_t limit,
                                                    bool parse_special) const {
  Found found{at, at, -1};
  trie_.prefixes(text.substr(at, limit), [&](size_t length, int32_t id) {
    if (parse_special || !tokens_by_id_[id].control) found = {at, at + length, id};
  });
  return found;
}

std::vector<Piece> GgufSpecialTokens::cut(std::string_view text, bool parse_special) const {
  // The longest first, of equals the leftmost; of each position only its longest token that still has room.
  const auto later = [](const Found& a, const Found& b) {
    return a.size() != b.size() ? a.size() < b.size() : a.begin > b.begin;
  };
  std::priority_queue<Found, std::vector<Found>, decltype(later)> candidates(later);
  for (size_t at = 0; at < text.size() && !trie_.empty(); ++at) {
    if (const Found found = longest(text, at, text.size(), parse_special); found.id >= 0) candidates.push(found);
  }
  std::map<size_t, Found> taken;  // by begin
  while (!candidates.empty()) {
    Found found = candidates.top();
    candidates.pop();
    const auto after = taken.lower_bound(found.begin);
    const size_t floor = after == taken.begin() ? 0 : std::prev(after)->second.end;
    const size_t ceiling = after == taken.end() ? text.size() : after->second.begin;
    if (found.begin < floor) continue;
    if (found.end > ceiling) {
      found = longest(text, found.begin, ceiling - found.begin, parse_special);
      if (found.id >= 0) candidates.push(found);
      continue;
    }
    const Token& token = tokens_by_id_[found.id];
    while (token.lstrip && found.begin > floor && is_c_space(text[found.begin - 1])) --found.begin;
    while (token.rstrip && found.end < ceiling && is_c_space(text[found.end])) ++found.end;
    taken.emplace(found.begin, found);
  }
  std::vector<Piece> pieces;
  size_t done = 0;
  for (const auto& [begin, found] : taken) {
    if (done < begin) pieces.push_back({done, begin, kText, done == 0});
    pieces.push_back({found.end, found.end, found.id});
    done = found.end;
  }
  if (done < text.size()) pieces.push_back({done, text.size(), kText, done == 0});
  return pieces;
}

}  // namespace assay::text
