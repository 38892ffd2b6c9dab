#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer_json/pieces.h"

namespace assay::text {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Cuts or rewrites every piece that is text.
  virtual void apply(Pieces& pieces) const = 0;
};

using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

/// The steps of a "pre_tokenizer" section, nested sequences laid flat; `section` may be null (no steps).
PreTokenizers make_pre_tokenizers(const Json* section, const std::string& where);

}  // namespace assay::text
