#include "tokens/data_spec.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "tokens/chat/value.h"

namespace assay {

namespace {

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> kKeys = {"tokenize_fn",
                                                 "tokenizer_dir",
                                                 "dataset",
                                                 "eval_len",
                                                 "eval_stride",
                                                 "max_rows",
                                                 "chat_template",
                                                 "warmup_tokens",
                                                 "dataset_path",
                                                 "dataset_name",
                                                 "dataset_split",
                                                 "split",
                                                 "text_column",
                                                 "max_text_rows",
                                                 "display_rows",
                                                 "display_eval_len",
                                                 "dataset_data_files",
                                                 "max_dataset_rows",
                                                 "dataset_display_name",
                                                 "token_rows",
                                                 "text_protocol"};
  return kKeys;
}

void check_keys(const JsonObject& spec, std::vector<std::string>& notes) {
  for (const auto& [key, value] : spec.json().items()) {
    if (std::find(known_keys().begin(), known_keys().end(), key) != known_keys().end()) continue;
    if (const auto near = nearest(key, known_keys())) {
      fail("{}: unknown key \"{}\"; did you mean \"{}\"? (compare_q would ignore it)", spec.where(), key, *near);
    }
    notes.push_back(fmt::format("{}: key \"{}\" is not known and ignored", spec.where(), key));
  }
}

int64_t at_least(const JsonObject& spec, const char* key, int64_t lowest, int64_t value) {
  if (value < lowest) spec.refuse(key, fmt::format("an integer of at least {}", lowest));
  return value;
}

/// A value as Python's str() shows it: these keys may be numbers or texts.
std::string shown(const JsonObject& spec, const char* key) {
  const Json* value = spec.find(key);
  if (!value) return {};
  jinja::Budget budget;
  return jinja::to_text(jinja::Value::from_json(nlohmann::ordered_json(*value)), budget);
}

std::string python_sha256(const Json& json) {
  jinja::JsonStyle style;
  style.ascii_only = true;
  style.sort_keys = true;
  jinja::Budget budget;
  return sha256(jinja::to_json(jinja::Value::from_json(nlohmann::ordered_json(json)), style, budget));
}

std::vector<std::string> data_files(const JsonObject& spec) {
  const Json* value = spec.find("dataset_data_files");
  if (value && value->is_string()) return {value->get<std::string>()};
  if (value && value->is_object()) spec.refuse("dataset_data_files", "the name of a file or a list of names");
  return spec.strings("dataset_data_files");
}

DatasetRequest dataset_request(const JsonObject& spec, const std::filesystem::path& base) {
  DatasetRequest out;
  out.dataset = spec.string("dataset");
  out.path = spec.string_or("dataset_path", "");
  out.configuration = spec.string_or("dataset_name", "");
  out.split = spec.string_or("dataset_split", spec.string_or("split", ""));
  out.data_files = data_files(spec);
  out.text_column = spec.string_or("text_column", "");
  for (const char* key : {"max_dataset_rows", "max_text_rows"}) {
    if (spec.has(key)) out.max_text_rows = at_least(spec, key, 0, spec.integer(key));
  }
  out.display_name = spec.string_or("dataset_display_name", "");
  if (spec.has("text_protocol")) {
    out.protocol = protocol_named(spec.string("text_protocol"));
    if (!out.protocol) spec.refuse("text_protocol", "\"P1\", \"P2\" or \"P3\"");
  }
  out.base = base;
  return out;
}

void read_windows(const JsonObject& spec, DataSpec& out) {
  out.eval_len = at_least(spec, "eval_len", 2, spec.integer("eval_len"));
  out.eval_stride = at_least(spec, "eval_stride", 1, spec.integer("eval_stride"));
  if (out.warmup_tokens > out.eval_len - 2) {
    fail("{}: \"warmup_tokens\" {} leaves nothing to score of \"eval_len\" {}; it must be at most {}", spec.where(),
         out.warmup_tokens, out.eval_len, out.eval_len - 2);
  }
}

void read_sources(const JsonObject& spec, const std::filesystem::path& base, DataSpec& out) {
  const std::string function = spec.string("tokenize_fn");
  if (function != "transformers") spec.refuse("tokenize_fn", "\"transformers\"");
  out.tokenizer_dir = resolve_path(spec.string("tokenizer_dir"), base);
  out.dataset = dataset_request(spec, base);
  out.display_name = dataset_display_name(out.dataset);
  out.chat_template = spec.boolean_or("chat_template", false);
  read_windows(spec, out);
}

}  // namespace

DataSpec parse_data_spec(const Json& json, const std::string& where, const std::filesystem::path& base) {
  const JsonObject spec(json, where);
  DataSpec out;
  check_keys(spec, out.notes);
  out.max_rows = at_least(spec, "max_rows", 0, spec.integer_or("max_rows", 0));
  out.warmup_tokens = at_least(spec, "warmup_tokens", 0, spec.integer_or("warmup_tokens", 0));
  out.display_rows = shown(spec, "display_rows");
  out.display_eval_len = shown(spec, "display_eval_len");
  out.sha256 = python_sha256(json);
  if (!spec.has("token_rows")) {
    read_sources(spec, base, out);
    return out;
  }
  out.token_rows = resolve_path(spec.string("token_rows"), base);
  out.display_name = spec.string_or("dataset_display_name", out.token_rows.filename().string());
  if (spec.boolean_or("chat_template", false)) {
    fail("{}: \"token_rows\" are used as they are, so \"chat_template\" must be false", where);
  }
  return out;
}

DataSpec read_data_spec(const std::filesystem::path& file) {
  return parse_data_spec(read_json(file), file.string(), file.parent_path());
}

DataSpec as_llama_cpp(DataSpec spec, int64_t length) {
  if (!spec.token_rows.empty()) {
    fail("{}: the llama.cpp protocol cuts a text; it cannot be had with rows of token ids", spec.token_rows.string());
  }
  if (length < 4) fail("the llama.cpp protocol needs windows of at least 4 tokens, not {}", length);
  spec.llama_cpp = true;
  spec.dataset.protocol = TextProtocol::verbatim;
  spec.add_special = true;
  spec.parse_special = false;
  spec.chat_template = false;
  spec.eval_len = spec.eval_stride = length;
  spec.warmup_tokens = length / 2;
  return spec;
}

std::string chart_subtitle(const DataSpec& spec, int64_t eval_len, int64_t rows) {
  const std::string length =
      spec.display_eval_len.empty() ? fmt::format("{}", eval_len - spec.warmup_tokens) : spec.display_eval_len;
  const std::string shown = spec.display_rows.empty() ? fmt::format("{}", rows) : spec.display_rows;
  std::string out = fmt::format("{}, {} \u00d7 {} tokens", spec.display_name, shown, length);
  if (spec.warmup_tokens > 0) out += fmt::format(", {} token warmup", spec.warmup_tokens);
  if (spec.chat_template) out += ", formatted";
  return out;
}

}  // namespace assay
