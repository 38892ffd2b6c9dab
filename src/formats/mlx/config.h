#pragma once
#include <map>
#include <optional>
#include <string>

#include "formats/format.h"

namespace assay::mlx {

inline constexpr const char* kMethod = "mlx";

struct Scheme {
  std::string mode = "affine";  // "mxfp4", "mxfp8", "nvfp4"
  int64_t bits = 4;
  int64_t group_size = 64;
};

/// The config of MLX: defaults, and overrides under the full names of modules. What neither fits is read off the
/// tensors of a module whose size is known, as mlx-lm does.
class Config {
 public:
  explicit Config(const QuantConfig& config);
  Scheme scheme_of(const Module& module) const;

 private:
  Scheme default_;
  std::map<std::string, Scheme, std::less<>> modules_;
};

/// Whether the module is quantized in this mode.
bool stores(const Module& module, std::string_view mode);

}  // namespace assay::mlx
