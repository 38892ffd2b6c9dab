#pragma once
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokens/tokenizer.h"

namespace assay {

struct ChatContext {
  const nlohmann::ordered_json* messages = nullptr;   ///< a list of objects
  const nlohmann::ordered_json* variables = nullptr;  ///< special tokens, tools, extras: an object, or null
  bool add_generation_prompt = false;
  bool continue_final_message = false;  ///< leave the last message open for the model to go on with
  std::tm now{};                        ///< the date, should the template print one
};

/// A chat template (Jinja, as in tokenizer_config.json). It is a stranger's program: it has no access beyond the
/// variables given, and errors out instead of taking much time or memory.
class ChatTemplate {
 public:
  /// `where` begins every message of errors.
  static ChatTemplate parse(std::string_view text, const std::string& where = "chat template");

  /// Error when the template refuses the messages (by raise_exception or by its own failure).
  std::string render(const ChatContext& context) const;
  /// The same, and whether the text depends on the date.
  std::string render(const ChatContext& context, bool& used_date) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

/// The template of a tokenizer directory and the special tokens that it may name.
struct TokenizerChat {
  ChatTemplate program;
  std::vector<std::pair<std::string, std::string>> special_tokens;  ///< "bos_token", "<s>"
};

/// Looks in chat_template.jinja, chat_template.json, tokenizer_config.json, in that order. `path` is the directory, or
/// a file in it; or a GGUF model, whose metadata have it. Error that names them when there is no template.
TokenizerChat load_chat_template(const std::filesystem::path& path);

struct ChatPrefix {
  std::string text;
  std::vector<int32_t> ids;
  std::vector<std::string> notes;  ///< what the report should say about it
};

enum class ChatPrefixKind {
  prompt,     ///< compare_q and qbench `true`: system "", the user's prompt, generation prompt
  assistant,  ///< qbench `assistant`: system "", the user's prompt, and an unfinished empty answer
};

/// The ids put before every window. A template that refuses the system message gets the user message alone.
ChatPrefix chat_prefix(const std::filesystem::path& tokenizer_dir, const Tokenizer& tokenizer, const std::tm& now,
                       ChatPrefixKind kind = ChatPrefixKind::prompt, const std::string& prompt = "Say something.");

}  // namespace assay
