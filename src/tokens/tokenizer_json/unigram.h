#pragma once
#include <array>
#include <memory>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer_json/model.h"
#include "tokens/tokenizer_json/trie.h"

namespace assay::text {

/// The path of highest total score through the pieces that a text can be cut into.
class Unigram final : public Model {
 public:
  struct Options {
    int32_t unk = -1;  // -1: unknown text is an error
    double unk_score = 0;
    bool byte_fallback = false;
    /// Sums in float32, as the SentencePiece library does; the tokenizers library sums in double.
    bool single_precision = false;
    /// A run of unknown characters is looked up as a whole, as the tokenizers library does.
    bool lookup_unknown_runs = true;
  };
  /// `scores` by id; ids for which `usable` is false are never found in text.
  Unigram(Vocabulary vocab, std::vector<double> scores, const std::vector<bool>& usable, Options options);

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override;

 private:
  struct Step {  // the best way to reach a position
    double score = 0;
    int32_t id = -1;  // of the last piece; kUnknown: a character that no piece covers
    size_t begin = 0;
    bool reached = false;
  };
  void reach(Step& step, double before, double score, int32_t id, size_t begin) const;
  std::vector<Step> best_steps(std::string_view text) const;
  void append_unknown(std::string_view run, std::vector<int32_t>& ids) const;

  ByteTrie trie_;
  std::vector<double> scores_;
  Options options_;
  std::array<int32_t, 256> byte_ids_{};
};

std::unique_ptr<Model> make_unigram(const JsonObject& model, TokenizerFile& file);

/// Below the lowest score by this much lies the score of an unknown character.
constexpr double kUnknownPenalty = 10;

}  // namespace assay::text
