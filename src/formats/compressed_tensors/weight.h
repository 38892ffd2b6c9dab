#pragma once
#include <string>

#include "formats/compressed_tensors/config.h"
#include "formats/format.h"
#include "formats/shared/scale_grid.h"

namespace assay::compressed_tensors {

/// Whether a module belongs to a checkpoint of this tool and stores "<module>.<suffix>" with one of these types.
bool stores(const Module& module, std::string_view suffix, std::initializer_list<DType> dtypes);

/// A weight that compressed-tensors wrote. Presence of tensors decides what it is; the config must not contradict.
class Weight : public StoredWeight {
 public:
  std::string format() const override { return std::string(kMethod) + "/" + variant_; }

 protected:
  explicit Weight(const Module& module);

  /// How the config quantizes this weight, or null when it does not mention it (then shapes must tell).
  const QuantArgs* args() const { return group_ && group_->weights ? &*group_->weights : nullptr; }
  /// Refuses unless the config agrees that codes are such numbers; `bits` 0: any.
  void require_config(bool is_float, int bits, int64_t group_size = 0) const;

  /// To be called once the sizes of the weight are known: fills in what the base class hands out. `variant`: the
  /// tool's name of the layout.
  void init(int64_t rows, int64_t cols, std::string variant);

  /// The grid that the config, or else the shape, of "weight_scale" implies.
  ScaleGrid scale_grid(const StoredTensor& scale, DType as) const;
  /// "weight_scale" of a float type.
  ScaleGrid float_scale_grid() const;

  /// "weight_global_scale": one float32.
  const StoredTensor& global_scale() const;
  void divide_by_global(const StoredTensor& global, ScaleGrid::Rows& scales) const;

  /// "weight_zero_point" as bytes, one for each scale; null where the scheme is symmetric and none is stored.
  const StoredTensor* byte_zero_points(const ScaleGrid& scales, DType type = DType::I8) const;
  void read_byte_zero_points(const StoredTensor& zeros, ScaleGrid::Rows& scales) const;

 private:
  const Group* group_;
  std::string variant_;
};

}  // namespace assay::compressed_tensors
