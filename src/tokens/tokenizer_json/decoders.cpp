#include "tokens/tokenizer_json/decoders.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/pattern.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

class ByteLevelDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::string bytes;
    for (const std::string& piece : pieces) append(piece, bytes);
    pieces = {repair_utf8(bytes)};
  }

 private:
  /// A piece with a character that spells no byte stands for itself.
  static void append(const std::string& piece, std::string& bytes) {
    const size_t before = bytes.size();
    for (size_t at = 0; at < piece.size();) {
      const int byte = byte_level_byte(next_char(piece, at));
      if (byte < 0) {
        bytes.resize(before);
        bytes += piece;
        return;
      }
      bytes += static_cast<char>(byte);
    }
  }
};

class ReplaceDecoder final : public Decoder {
 public:
  explicit ReplaceDecoder(const JsonObject& step)
      : pattern_(Pattern::from_json(step)), content_(step.string("content")) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) piece = pattern_.replaced(piece, content_);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class ByteFallbackDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override { pieces = join_byte_pieces(pieces); }
};

class FuseDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::string all;
    for (const std::string& piece : pieces) all += piece;
    pieces = {all};
  }
};

class StripDecoder final : public Decoder {
 public:
  explicit StripDecoder(const JsonObject& step)
      : content_(step.string("content")), start_(step.integer("start")), stop_(step.integer("stop")) {
    if (content_.empty()) step.refuse("content", "one character");
  }
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) {
      std::string_view rest = piece;
      for (int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) rest.remove_prefix(content_.size());
      for (int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) rest.remove_suffix(content_.size());
      piece = std::string(rest);
    }
  }

 private:
  std::string content_;
  int64_t start_, stop_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(const JsonObject& step)
      : replacement_(step.string_or("replacement", "\u2581")),
        space_(" "),
        prepends_(step.string_or("prepend_scheme", step.boolean_or("add_prefix_space", true) ? "always" : "never") !=
                  "never") {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = replacement_.replaced(pieces[i], i == 0 && prepends_ ? "" : space_);
    }
  }

 private:
  Pattern replacement_;
  std::string space_;
  bool prepends_;
};

class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(const JsonObject& step) : suffix_(step.string_or("suffix", "</w>")) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = suffix_.replaced(pieces[i], i + 1 == pieces.size() ? "" : " ");
    }
  }

 private:
  Pattern suffix_;
};

class WordPieceDecoder final : public Decoder {
 public:
  explicit WordPieceDecoder(const JsonObject& step)
      : prefix_(step.string_or("prefix", "##")), cleanup_(step.boolean_or("cleanup", true)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) pieces[i] = pieces[i].starts_with(prefix_) ? pieces[i].substr(prefix_.size()) : " " + pieces[i];
      if (cleanup_) clean(pieces[i]);
    }
  }

 private:
  static void clean(std::string& piece) {
    static const std::pair<Pattern, std::string> kRules[] = {
        {Pattern(" ."), "."},   {Pattern(" ?"), "?"},     {Pattern(" !"), "!"},     {Pattern(" ,"), ","},
        {Pattern(" ' "), "'"},  {Pattern(" n't"), "n't"}, {Pattern(" 'm"), "'m"},   {Pattern(" do not"), " don't"},
        {Pattern(" 's"), "'s"}, {Pattern(" 've"), "'ve"}, {Pattern(" 're"), "'re"},
    };
    for (const auto& [pattern, by] : kRules) piece = pattern.replaced(piece, by);
  }

  std::string prefix_;
  bool cleanup_;
};

std::unique_ptr<Decoder> make_decoder(const JsonObject& step) {
  const std::string type = step.string("type");
  if (type == "ByteLevel") return std::make_unique<ByteLevelDecoder>();
  if (type == "Replace") return std::make_unique<ReplaceDecoder>(step);
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Strip") return std::make_unique<StripDecoder>(step);
  if (type == "Metaspace") return std::make_unique<MetaspaceDecoder>(step);
  if (type == "BPEDecoder") return std::make_unique<BpeDecoder>(step);
  if (type == "WordPiece") return std::make_unique<WordPieceDecoder>(step);
  fail("{}: decoder of type \"{}\" is not known to assay", step.where(), type);
}

void collect(const Json& section, const std::string& where, Decoders& steps) {
  const JsonObject step(section, where);
  if (step.string("type") != "Sequence") {
    steps.push_back(make_decoder(step));
    return;
  }
  const Json* list = step.find("decoders");
  if (!list || !list->is_array()) step.refuse("decoders", "a list");
  for (const Json& item : *list) collect(item, where, steps);
}

}  // namespace

std::vector<std::string> join_byte_pieces(const std::vector<std::string>& pieces) {
  std::vector<std::string> out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (!valid_utf8(bytes)) {
      std::string unknown;
      for (size_t i = 0; i < bytes.size(); ++i) unknown += "\ufffd";
      bytes = std::move(unknown);
    }
    out.push_back(std::move(bytes));
    bytes.clear();
  };
  for (const std::string& piece : pieces) {
    if (const int byte = byte_piece_value(piece); byte >= 0) {
      bytes += static_cast<char>(byte);
    } else {
      flush();
      out.push_back(piece);
    }
  }
  flush();
  return out;
}

Decoders make_decoders(const Json* section, const std::string& where) {
  Decoders steps;
  if (section) collect(*section, where, steps);
  return steps;
}

}  // namespace assay::text
