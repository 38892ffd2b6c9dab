#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokens/tokenizer_json/file.h"
#include "tokens/tokenizer_json/pieces.h"
#include "tokens/tokenizer_json/vocabulary.h"

namespace assay::text {

/// Turns one piece of text into ids.
class Model {
 public:
  explicit Model(Vocabulary vocab) : vocab_(std::move(vocab)) {}
  virtual ~Model() = default;

  /// Appends the ids of one piece; they depend on nothing but its text.
  virtual void encode(std::string_view piece, std::vector<int32_t>& ids) const = 0;
  /// Cuts pieces where that changes no id, so that long texts fall into short parts that repeat.
  virtual void refine(Pieces&) const {}

  const Vocabulary& vocab() const { return vocab_; }

 protected:
  Vocabulary vocab_;
};

/// The "model" section; takes the big lists out of `file`.
std::unique_ptr<Model> make_model(TokenizerFile& file);

/// All pieces to ids. A piece seen before is copied from its first time.
std::vector<int32_t> encode_pieces(const Model& model, const Pieces& pieces);

}  // namespace assay::text
