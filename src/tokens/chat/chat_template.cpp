#include "tokens/chat/chat_template.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/gguf.h"
#include "tokens/chat/interpreter.h"
#include "tokens/chat/parser.h"
#include "tokens/chat/text.h"
#include "tokens/gguf_vocabulary.h"

namespace assay {

namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr size_t kMaxTemplate = size_t{4} << 20;

/// Appended to the last message to find the place where the template ends its content. The space at its end tells
/// whether the template strips white space there.
constexpr std::string_view kMark = "ASSAY_CONTINUES_THE_FINAL_MESSAGE ";

/// The messages with the mark at the end of the last one's content.
OrderedJson marked(const OrderedJson& messages) {
  OrderedJson out = messages;
  if (!out.is_array() || out.empty() || !out.back().is_object() || !out.back().contains("content")) {
    fail("continue_final_message needs a last message with content");
  }
  OrderedJson* content = &out.back()["content"];
  if (content->is_array()) {
    const auto has_text = [](const OrderedJson& part) { return part.is_object() && part.contains("text"); };
    const auto part = std::find_if(content->rbegin(), content->rend(), has_text);
    if (part == content->rend()) fail("continue_final_message needs a last message with text");
    content = &(*part)["text"];
  }
  if (!content->is_string()) fail("continue_final_message needs a last message with text");
  *content = content->get<std::string>() + std::string(kMark);
  return out;
}

std::string cut_at_mark(std::string text) {
  const std::string_view mark = text::strip(kMark);
  const size_t at = text.rfind(mark);
  if (at == std::string::npos) fail("the template leaves out the last message, so it cannot be continued");
  const bool keeps_space = std::string_view(text).substr(at).starts_with(kMark);
  text.resize(at);
  return keeps_space ? text : std::string(text::strip(text, text::Side::right));
}

std::vector<std::pair<std::string, jinja::Value>> variables_of(const ChatContext& context,
                                                               const OrderedJson& messages) {
  std::vector<std::pair<std::string, jinja::Value>> variables = {
      {"messages", jinja::Value::from_json(messages)},
      {"tools", jinja::Value::none()},
      {"documents", jinja::Value::none()},
      {"add_generation_prompt", jinja::Value(context.add_generation_prompt)},
  };
  if (!context.variables) return variables;
  for (const auto& [name, value] : context.variables->items()) {
    const auto same = [&, &key = name](const auto& variable) { return variable.first == key; };
    std::erase_if(variables, same);
    variables.emplace_back(name, jinja::Value::from_json(value));
  }
  return variables;
}

/// The template in a value of tokenizer_config.json: a text, or a list of named ones of which "default" is taken.
std::optional<std::string> template_in(const JsonObject& config) {
  const Json* value = config.find("chat_template");
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) config.refuse("chat_template", "a text or a list of named texts");
  for (const Json& entry : *value) {
    const JsonObject named(entry, config.where() + ": chat_template");
    if (named.string("name") == "default") return named.string("template");
  }
  config.refuse("chat_template", "a template named \"default\" among them");
}

/// "bos_token": "<s>", or {"content": "<s>", ...}.
void add_special_tokens(const JsonObject& config, std::vector<std::pair<std::string, std::string>>& tokens) {
  for (const auto& [key, value] : config.json().items()) {
    if (!key.ends_with("_token")) continue;
    const auto same = [&, &name = key](const auto& token) { return token.first == name; };
    if (std::any_of(tokens.begin(), tokens.end(), same)) continue;
    if (value.is_string()) tokens.emplace_back(key, value.get<std::string>());
    if (value.is_object() && value.contains("content") && value["content"].is_string()) {
      tokens.emplace_back(key, value["content"].get<std::string>());
    }
  }
}

std::optional<JsonObject> object_in(const fs::path& file, std::optional<Json>& storage) {
  if (!fs::is_regular_file(file)) return std::nullopt;
  storage = read_json(file);
  return JsonObject(*storage, file.string());
}

std::string date_text(const std::tm& now) {
  char buffer[64];
  return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%d", &now)};
}

}  // namespace

struct ChatTemplate::Program {
  jinja::Body body;
  std::string where;
};

ChatTemplate ChatTemplate::parse(std::string_view text, const std::string& where) {
  if (text.size() > kMaxTemplate) fail("{}: a chat template of {} bytes is no chat template", where, text.size());
  if (const size_t at = text::find_invalid_utf8(text); at != std::string_view::npos) {
    fail("{}: not UTF-8 at byte {}", where, at);
  }
  ChatTemplate out;
  try {
    out.program_ = std::make_shared<const Program>(Program{jinja::parse(text), where});
  } catch (const Error& error) {
    fail("{}, {}", where, error.what());
  }
  return out;
}

std::string ChatTemplate::render(const ChatContext& context) const {
  bool ignored = false;
  return render(context, ignored);
}

std::string ChatTemplate::render(const ChatContext& context, bool& used_date) const {
  static const OrderedJson kNoMessages = OrderedJson::array();
  const OrderedJson& messages = context.messages ? *context.messages : kNoMessages;
  try {
    const OrderedJson shown = context.continue_final_message ? marked(messages) : messages;
    jinja::Rendering out = jinja::render(program_->body, {variables_of(context, shown), context.now});
    used_date = out.used_date;
    return context.continue_final_message ? cut_at_mark(std::move(out.text)) : std::move(out.text);
  } catch (const Error& error) {
    fail("{}, {}", program_->where, error.what());
  }
}

namespace {

TokenizerChat gguf_chat_template(const GgufMetadata& metadata) {
  constexpr const char* kKey = "tokenizer.chat_template";
  const std::string where = metadata.path().string();
  if (!metadata.has(kKey)) {
    fail("{}: no {}; set \"chat_template\": false in the data spec, or name a tokenizer that has one", where, kKey);
  }
  TokenizerChat out;
  out.program = ChatTemplate::parse(metadata.string(kKey), fmt::format("{}: {}", where, kKey));
  const GgufVocabulary vocabulary = read_gguf_vocabulary(metadata);
  const std::pair<const char*, std::optional<int64_t>> tokens[] = {
      {"bos_token", vocabulary.bos}, {"eos_token", vocabulary.eos}, {"unk_token", vocabulary.unk},
      {"sep_token", vocabulary.sep}, {"pad_token", vocabulary.pad},
  };
  for (const auto& [name, id] : tokens) {
    if (!id || *id < 0 || static_cast<size_t>(*id) >= vocabulary.tokens.size()) continue;
    out.special_tokens.emplace_back(name, vocabulary.tokens[*id]);
  }
  return out;
}

bool has_chat_file(const fs::path& directory) {
  for (const char* name : {"chat_template.jinja", "chat_template.json", "tokenizer_config.json"}) {
    if (fs::is_regular_file(directory / name)) return true;
  }
  return false;
}

}  // namespace

TokenizerChat load_chat_template(const fs::path& path) {
  if (path.extension() == ".gguf" || (fs::is_directory(path) && !has_chat_file(path))) {
    if (const auto metadata = gguf_metadata(path)) return gguf_chat_template(*metadata);
  }
  const fs::path directory = fs::is_directory(path) ? path : path.parent_path();
  std::optional<Json> config_json, map_json, template_json;
  const auto config = object_in(directory / "tokenizer_config.json", config_json);
  const auto map = object_in(directory / "special_tokens_map.json", map_json);
  const auto separate = object_in(directory / "chat_template.json", template_json);

  TokenizerChat out;
  if (config) add_special_tokens(*config, out.special_tokens);
  if (map) add_special_tokens(*map, out.special_tokens);
  if (const fs::path file = directory / "chat_template.jinja"; fs::is_regular_file(file)) {
    out.program = ChatTemplate::parse(read_file(file), file.string());
    return out;
  }
  for (const auto& source : {separate, config}) {
    const auto text = source ? template_in(*source) : std::nullopt;
    if (!text) continue;
    out.program = ChatTemplate::parse(*text, source->where() + ": chat_template");
    return out;
  }
  fail(
      "{}: no chat template (looked for chat_template.jinja, chat_template.json and the key \"chat_template\" of "
      "tokenizer_config.json); set \"chat_template\": false in the data spec, or name a tokenizer that has one",
      directory.string());
}

ChatPrefix chat_prefix(const fs::path& tokenizer_dir, const Tokenizer& tokenizer, const std::tm& now,
                       ChatPrefixKind kind, const std::string& prompt) {
  const TokenizerChat chat = load_chat_template(tokenizer_dir);
  OrderedJson variables = OrderedJson::object();
  for (const auto& [name, token] : chat.special_tokens) variables[name] = token;
  OrderedJson messages = {{{"role", "system"}, {"content", ""}}, {{"role", "user"}, {"content", prompt}}};
  if (kind == ChatPrefixKind::assistant) messages.push_back({{"role", "assistant"}, {"content", ""}});

  ChatContext context{&messages, &variables, kind == ChatPrefixKind::prompt, kind == ChatPrefixKind::assistant, now};
  ChatPrefix out;
  bool used_date = false;
  try {
    out.text = chat.program.render(context, used_date);
  } catch (const Error& refusal) {
    messages.erase(0);
    out.text = chat.program.render(context, used_date);
    out.notes.push_back(
        fmt::format("the chat template refuses a system message ({}): the prefix has the user message only; "
                    "compare_q stops here",
                    refusal.what()));
  }
  if (used_date) {
    out.notes.push_back(fmt::format("the chat template prints the date: this run used {}", date_text(now)));
  }
  out.ids = tokenizer.encode(out.text, {.add_special = false, .parse_special = true});
  return out;
}

}  // namespace assay
