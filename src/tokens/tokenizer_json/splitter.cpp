#include "tokens/tokenizer_json/splitter.h"

#include <algorithm>

namespace assay::text {

SplitBehavior split_behavior(const JsonObject& step) {
  const std::string name = step.string("behavior");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  step.refuse("behavior", "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

/// Matches and gaps, in order, put together as the behavior says.
std::vector<Splitter::Part> Splitter::joined(std::vector<Part> parts) const {
  if (behavior_ == SplitBehavior::kIsolated) return parts;
  if (behavior_ == SplitBehavior::kRemoved) {
    std::erase_if(parts, [](const Part& part) { return part.match; });
    return parts;
  }
  const bool backward = behavior_ == SplitBehavior::kMergedWithNext;
  if (backward) std::reverse(parts.begin(), parts.end());
  std::vector<Part> out;
  bool previous = false;
  for (const Part& part : parts) {
    const bool joins = behavior_ == SplitBehavior::kContiguous ? part.match == previous : part.match && !previous;
    previous = part.match;
    if (!joins || out.empty()) {
      out.push_back(part);
    } else if (backward) {
      out.back().begin = part.begin;
    } else {
      out.back().end = part.end;
    }
  }
  if (backward) std::reverse(out.begin(), out.end());
  return out;
}

void Splitter::apply(Pieces& pieces) const {
  std::vector<Piece> list;
  std::vector<Span> matches;
  std::vector<Part> parts;
  for (const Piece& piece : pieces.list) {
    if (piece.token != kText) {
      list.push_back(piece);
      continue;
    }
    matches.clear();
    pattern_.find_all(pieces.view(piece), matches);
    parts.clear();
    size_t done = 0;
    const size_t size = piece.end - piece.begin;
    for (const Span& match : matches) {
      if (match.begin != done) parts.push_back({done, match.begin, invert_});
      parts.push_back({match.begin, match.end, !invert_});
      done = match.end;
    }
    if (done != size) parts.push_back({done, size, invert_});
    parts = joined(std::move(parts));
    for (const Part& part : parts) {
      if (part.begin == part.end) continue;
      list.push_back({piece.begin + part.begin, piece.begin + part.end, kText, piece.at_start && part.begin == 0});
    }
  }
  pieces.list = std::move(list);
}

}  // namespace assay::text
