#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace assay::text {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Rewrites the pieces of a text; their concatenation is the text.
  virtual void apply(std::vector<std::string>& pieces) const = 0;
};

using Decoders = std::vector<std::unique_ptr<Decoder>>;

/// The steps of a "decoder" section, nested sequences laid flat; `section` may be null (no steps).
Decoders make_decoders(const Json* section, const std::string& where);

/// The pieces with every run of byte pieces ("<0xNN>") replaced by the text that the bytes spell, or by one U+FFFD for
/// each byte when they spell none.
std::vector<std::string> join_byte_pieces(const std::vector<std::string>& pieces);

}  // namespace assay::text
