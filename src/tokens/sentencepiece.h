#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer.h"

namespace assay {

/// What a SentencePiece vocabulary says, wherever it was stored.
struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe = 2 };
  enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  Kind kind = Kind::kUnigram;
  bool byte_fallback = false;
  bool any_piece_joins = false;  // byte-pair: pieces of every type come of joins, as in llama.cpp
  bool whitespace_as_suffix = false;
  std::string bos_piece = "<s>", eos_piece = "</s>";
  std::string unk_surface = " \u2047 ";  // what an unknown token decodes to

  std::string charsmap;  // compiled character map; may be empty
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

/// The protobuf of a tokenizer.model. Error when it is damaged.
SentencePieceModel parse_sentencepiece(std::string_view bytes, const std::string& where);

/// Control pieces are never found in text, whatever `parse_special` says: to SentencePiece "<s>" is three characters.
/// With add_special a BOS and EOS are added as asked here.
std::unique_ptr<Tokenizer> make_sentencepiece(SentencePieceModel model, const std::string& where, bool add_bos,
                                              bool add_eos);

/// The two together. `config` (null when there is none) is tokenizer_config.json, which says whether a BOS or EOS is
/// added; without it a BOS is added when the vocabulary has one.
std::unique_ptr<Tokenizer> make_sentencepiece(std::string_view bytes, const std::string& where,
                                              const JsonObject* config);

}  // namespace assay
