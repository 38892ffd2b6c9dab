#pragma once
#include <string>
#include <string_view>

#include "formats/format.h"
#include "formats/shared/coded_weight.h"

namespace assay::torchao {

inline constexpr const char* kMethod = "torchao";

/// Whether the metadata of the file says that the module's weight is of this type. Refuses types that no format reads.
bool is_type(const Module& module, std::string_view type);

/// A weight that torchao wrote. The metadata of its file describes it:
///   "<module>.weight": {"_type": "Int8Tensor", "_data": {"block_size": [1, 64], ..}, "_tensor_data_names": ["qdata",
///   ..]}
/// and the tensors of the module are "_weight_qdata", "_weight_scale", ...
class Weight : public CodedWeight {
 protected:
  explicit Weight(const Module& module);

  /// "_data" of the description.
  JsonObject data() const;
  /// "_weight_<name>", or null.
  const StoredTensor* find_part(std::string_view name) const;
  const StoredTensor& part(std::string_view name) const;
  /// "block_size" as [rows, columns] of a block.
  std::pair<int64_t, int64_t> block_size() const;
  /// "block_size" as a number of columns.
  int64_t column_block() const;
  /// Scales of one row and `column_block()` columns each, which `is_swizzled_scales` puts out of order.
  void set_row_scales(DType stored_as);
  /// To be called last: quantized inputs, and the scale that multiplies inputs before everything else, which is taken
  /// into the weights, whose columns it multiplies just as well.
  void finish();

  ScaleGrid::Rows read_scales(int64_t begin, int64_t end) const override;
  int64_t row_alignment() const override;

 private:
  std::shared_ptr<const Json> description_;
  const StoredTensor* swizzled_ = nullptr;  // the scales, or null
  DType swizzled_as_ = DType::F32;
  int64_t column_block_ = 0;
};

}  // namespace assay::torchao
