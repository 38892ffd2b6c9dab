#pragma once
#include <string>
#include <vector>

#include "tokens/tokenizer_json/pattern.h"
#include "tokens/tokenizer_json/pieces.h"
#include "tokens/tokenizer_json/pre_tokenizers.h"

namespace assay::text {

/// What becomes of a match: dropped, a piece of its own, one piece with the gap before or after it, or one piece with
/// the matches that touch it.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// `step` has the key "behavior".
SplitBehavior split_behavior(const JsonObject& step);

/// Cuts pieces at the matches of a pattern.
class Splitter final : public PreTokenizer {
 public:
  Splitter(Pattern pattern, SplitBehavior behavior, bool invert = false)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(Pieces& pieces) const override;

 private:
  struct Part {
    size_t begin, end;
    bool match;
  };
  std::vector<Part> joined(std::vector<Part> parts) const;

  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace assay::text
