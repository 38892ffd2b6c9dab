#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace assay::text {

struct Span {
  size_t begin, end;
};

constexpr int32_t kText = -1;

/// A part of the input on its way to ids: text still to be encoded, or a token that is already known.
struct Piece {
  size_t begin, end;      // in Pieces::text
  int32_t token = kText;  // otherwise an id, and begin..end is empty
  bool at_start = false;  // its first character is the first of the whole input
};

/// Bytes that a text of `input` bytes may grow to on its way. No honest file comes near; a hostile one cannot fill
/// memory.
constexpr size_t growth_limit(size_t input) {
  return 16 * input + (size_t{1} << 20);
}

/// The input cut into pieces. Steps that only cut change `list`; steps that change characters rewrite `text`.
struct Pieces {
  std::string text;
  std::vector<Piece> list;
  size_t limit = SIZE_MAX;  // of text.size()

  std::string_view view(const Piece& piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
};

/// Rewrites the text of every piece: `write(view, at_start, out)` appends the new text of one piece.
template <class Write>
void rewrite(Pieces& pieces, Write write) {
  std::string text;
  text.reserve(pieces.text.size() + pieces.text.size() / 8 + pieces.list.size());
  for (Piece& piece : pieces.list) {
    const size_t begin = text.size();
    if (piece.token == kText) write(pieces.view(piece), piece.at_start, text);
    piece.begin = begin;
    piece.end = text.size();
  }
  if (text.size() > pieces.limit)
    fail("pre-tokenizers make the text {} bytes long, expected at most {}", text.size(), pieces.limit);
  pieces.text = std::move(text);
}

}  // namespace assay::text
