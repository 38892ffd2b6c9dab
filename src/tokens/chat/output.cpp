#include <algorithm>

#include "tokens/chat/text.h"
#include "tokens/chat/value.h"

// Values as text: str() and repr() for output, json.dumps for the filter tojson.
namespace assay::jinja {

namespace {

void write_repr(TextBuilder& out, const Value& value);

/// Text of everything but texts and containers; empty for those.
std::string scalar_text(const Value& value) {
  if (value.is_none()) return "None";
  if (const bool* b = value.get_if<bool>()) return *b ? "True" : "False";
  if (const int64_t* i = value.get_if<int64_t>()) return fmt::format("{}", *i);
  if (const double* d = value.get_if<double>()) return text::float_repr(*d);
  return {};
}

void write_items(TextBuilder& out, const List& list) {
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out += ", ";
    write_repr(out, list.items[i]);
  }
}

void write_repr(TextBuilder& out, const Value& value) {
  out.budget().step();
  if (value.is_undefined()) {
    out += "Undefined";
  } else if (const auto* string = value.string()) {
    out += text::quoted_repr(*string);
  } else if (const auto* list = value.list()) {
    out += list->tuple ? "(" : "[";
    write_items(out, *list);
    if (list->tuple) out += list->items.size() == 1 ? ",)" : ")";
    if (!list->tuple) out += "]";
  } else if (const auto* dict = value.dict()) {
    out += "{";
    for (size_t i = 0; i < dict->entries.size(); ++i) {
      if (i > 0) out += ", ";
      write_repr(out, dict->entries[i].first);
      out += ": ";
      write_repr(out, dict->entries[i].second);
    }
    out += "}";
  } else if (const std::string scalar = scalar_text(value); !scalar.empty()) {
    out += scalar;
  } else {
    fail("a {} cannot be printed", value.type_name());
  }
}

class JsonWriter {
 public:
  JsonWriter(TextBuilder& out, const JsonStyle& style) : out_(out), style_(style) {}

  void write(const Value& value) {
    out_.budget().step();
    if (const auto* string = value.string()) {
      out_ += text::json_string(*string, style_.ascii_only);
    } else if (const auto* list = value.list()) {
      write_list(*list);
    } else if (const auto* dict = value.dict()) {
      write_dict(*dict);
    } else {
      out_ += scalar(value);
    }
  }

 private:
  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const bool* b = value.get_if<bool>()) return *b ? "true" : "false";
    if (const double* d = value.get_if<double>()) {
      if (*d != *d) return "NaN";
      if (*d - *d != 0) return *d > 0 ? "Infinity" : "-Infinity";
    }
    if (!value.is_number()) fail("object of type {} is not JSON serializable", value.type_name());
    return scalar_text(value);
  }

  void separate(bool first) {
    if (!first && !style_.item_separator.empty()) out_ += style_.item_separator;
    if (!first && style_.item_separator.empty()) out_ += style_.indent < 0 ? ", " : ",";
    line_break();
  }

  void line_break() {
    if (style_.indent < 0) return;
    out_ += "\n";
    for (int level = 0; level < level_; ++level) out_ += std::string(static_cast<size_t>(style_.indent), ' ');
  }

  void write_list(const List& list) {
    if (list.items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += "[";
    ++level_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      separate(i == 0);
      write(list.items[i]);
    }
    --level_;
    line_break();
    out_ += "]";
  }

  void write_dict(const Dict& dict) {
    if (dict.entries.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<std::pair<std::string, const Value*>> entries;
    for (const auto& [key, value] : dict.entries) {
      entries.emplace_back(key.string() ? *key.string() : scalar(key), &value);
    }
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out_ += "{";
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      separate(i == 0);
      out_ += text::json_string(entries[i].first, style_.ascii_only);
      out_ += style_.key_separator;
      write(*entries[i].second);
    }
    --level_;
    line_break();
    out_ += "}";
  }

  TextBuilder& out_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

std::string to_text(const Value& value, Budget& budget) {
  if (value.is_undefined()) return {};
  if (const auto* string = value.string()) return *string;
  TextBuilder out(budget);
  write_repr(out, value);
  return out.take();
}

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  if (style.indent > 64) fail("tojson(indent={}): more than 64 spaces", style.indent);
  TextBuilder out(budget);
  JsonWriter(out, style).write(value);
  return out.take();
}

}  // namespace assay::jinja
