#include "tokens/tokenizer_json/pipeline.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokens/tokenizer_json/added_tokens.h"
#include "tokens/tokenizer_json/decoders.h"
#include "tokens/tokenizer_json/file.h"
#include "tokens/tokenizer_json/model.h"
#include "tokens/tokenizer_json/normalizers.h"
#include "tokens/tokenizer_json/post_processor.h"
#include "tokens/tokenizer_json/pre_tokenizers.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

class Pipeline final : public Tokenizer {
 public:
  Pipeline(TokenizerFile file, const JsonObject* config) : Pipeline(file, JsonObject(*file.rest, file.where), config) {}

  std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const override {
    std::string repaired;
    if (!valid_utf8(text)) text = repaired = repair_utf8(text);
    Pieces pieces = added_.cut(text, normalizers_, options.parse_special);
    for (const auto& step : pre_tokenizers_) step->apply(pieces);
    model_->refine(pieces);
    std::vector<int32_t> ids = encode_pieces(*model_, pieces);
    if (options.add_special) {
      ids.insert(ids.begin(), affixes_.before.begin(), affixes_.before.end());
      ids.insert(ids.end(), affixes_.after.begin(), affixes_.after.end());
    }
    return ids;
  }

  std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::vector<std::string> pieces;
    for (const int32_t id : ids) {
      const std::string* added = added_.decoded(id);
      if (!added && !model_->vocab().has_id(id)) continue;
      std::string piece = added ? *added : std::string(model_->vocab().piece(id));
      if (!skip_special || !added_.is_special(piece)) pieces.push_back(std::move(piece));
    }
    for (const auto& step : decoders_) step->apply(pieces);
    std::string text;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (!has_decoder_ && i > 0) text += ' ';
      text += pieces[i];
    }
    return text;
  }

  int64_t vocab_size() const override { return std::max(model_->vocab().id_limit(), added_.id_limit()); }

  std::optional<int32_t> token_id(std::string_view token) const override {
    if (const auto id = added_.find(std::string(token))) return id;
    const int32_t id = model_->vocab().find(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }

  std::string_view piece(int32_t id) const override {
    const std::string* added = added_.content(id);
    return added ? std::string_view(*added) : model_->vocab().piece(id);
  }

 private:
  Pipeline(TokenizerFile& file, const JsonObject& json, const JsonObject* config)
      : model_(make_model(file)),
        normalizers_(make_normalizers(json.find("normalizer"), file.where + ": normalizer")),
        added_(json.find("added_tokens"), file.where, model_->vocab(), normalizers_, notes_),
        pre_tokenizers_(make_pre_tokenizers(json.find("pre_tokenizer"), file.where + ": pre_tokenizer")),
        affixes_(make_affixes(json.find("post_processor"), file.where + ": post_processor", vocab_size())),
        has_decoder_(json.has("decoder")),
        decoders_(make_decoders(json.find("decoder"), file.where + ": decoder")) {
    if (config) honour(*config);
  }

  void honour(const JsonObject& config) {
    if (class_adds_bos(config) != true) return;
    const std::string bos = bos_token(config);
    const auto id = token_id(bos);
    if (!id) {
      notes_.push_back(config.where() + ": add_bos_token is true, but no token is named \"" + bos +
                       "\"; none is added");
      return;
    }
    if (std::find(affixes_.before.begin(), affixes_.before.end(), *id) != affixes_.before.end()) return;
    affixes_.before.insert(affixes_.before.begin(), *id);
    notes_.push_back("BOS \"" + bos + "\" added to every text: add_bos_token of " + config.string("tokenizer_class") +
                     " asks for it, tokenizer.json has no post-processor that adds it");
  }

  std::unique_ptr<Model> model_;
  Normalizers normalizers_;
  AddedTokens added_;
  PreTokenizers pre_tokenizers_;
  Affixes affixes_;
  bool has_decoder_;
  Decoders decoders_;
};

}  // namespace

std::optional<bool> class_adds_bos(const JsonObject& config) {
  const std::string name = config.string_or("tokenizer_class", "");
  if (name.find("Llama") == std::string::npos && name.find("Gemma") == std::string::npos) return std::nullopt;
  if (!config.has("add_bos_token")) return std::nullopt;
  return config.boolean("add_bos_token");
}

std::string bos_token(const JsonObject& config) {
  const Json* token = config.find("bos_token");
  if (!token) return "<s>";
  return token->is_object() ? config.object("bos_token").string("content") : config.string("bos_token");
}

std::unique_ptr<Tokenizer> make_pipeline(std::string_view tokenizer_json, const std::string& where,
                                         const JsonObject* config) {
  return std::make_unique<Pipeline>(parse_tokenizer_file(tokenizer_json, where), config);
}

}  // namespace assay::text
