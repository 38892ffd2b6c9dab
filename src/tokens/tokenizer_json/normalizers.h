#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace assay::text {

/// A piece of the input as normalizers change it.
struct Normalized {
  std::string text;
  bool at_start;  // its first character still is the first of the whole input
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(Normalized& piece) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

/// The steps of a "normalizer" section, nested sequences laid flat; `section` may be null (no steps).
Normalizers make_normalizers(const Json* section, const std::string& where);

void normalize(const Normalizers& steps, Normalized& piece);

}  // namespace assay::text
