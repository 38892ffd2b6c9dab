#pragma once
#include <memory>

#include "tokens/sentencepiece.h"
#include "tokens/tokenizer_json/model.h"

namespace assay::text {

/// Byte-pair encoding as SentencePiece does it: of all neighbours whose joined text is a piece, the pair of highest
/// score joins first, leftmost among equals. `vocab` holds the pieces by id.
std::unique_ptr<Model> make_score_bpe(const SentencePieceModel& model, Vocabulary vocab, const std::string& where);

}  // namespace assay::text
