#include "formats/torchao/weight.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/printable.h"
#include "formats/shared/bits.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"
#include "formats/torchao/inputs.h"

namespace assay::torchao {

namespace {

constexpr NamedRole kRoles[] = {
    {"_weight_qdata", Role::codes},
    {"_weight_scale", Role::scales},
    {"_weight_zero_point", Role::zero_points},
    {"_weight_per_tensor_scale", Role::global_scales},
    {"_weight_act_pre_scale", Role::scales},
    {"_weight_scale_and_zero", Role::scales},
    {"_weight_act_per_tensor_scale", Role::activation_scales},
    {"_weight_act_quant_scale", Role::activation_scales},
    {"_weight_act_quant_zero_point", Role::activation_scales},
    {"bias", Role::bias},
};

constexpr std::string_view kTypes[] = {
    "Int8Tensor", "IntxUnpackedToInt8Tensor", "Int4Tensor", "Int4TilePackedTo4dTensor", "Float8Tensor", "NVFP4Tensor",
    "MXTensor"};

// A tile of swizzled scales is 128 rows by 4 columns, 512 entries.
constexpr int64_t kTileRows = 128, kTileCols = 4, kTile = kTileRows * kTileCols;

int64_t place_in_tile(int64_t row, int64_t col) {
  return row % 32 * 16 + row % kTileRows / 32 * 4 + col % kTileCols;
}

/// The text that describes "<module>.weight", or null.
const std::string* description_of(const Module& module) {
  const StoredTensor* codes = module.find("_weight_qdata");
  if (!codes) return nullptr;
  const auto& metadata = module.checkpoint().files()[codes->file].metadata;
  const auto found = metadata.find(module.name() + ".weight");
  return found == metadata.end() ? nullptr : &found->second;
}

std::string where_of(const Module& module) {
  return fmt::format("__metadata__[\"{}.weight\"]", module.name());
}

}  // namespace

bool is_type(const Module& module, std::string_view type) {
  if (module.config().method() != kMethod) return false;
  const std::string* text = description_of(module);
  if (!text) return false;
  const Json description = parse_json(*text, where_of(module));
  const std::string found = JsonObject(description, where_of(module)).string("_type");
  if (std::find(std::begin(kTypes), std::end(kTypes), found) == std::end(kTypes)) {
    std::string known;
    for (std::string_view name : kTypes) known.append(" ").append(name);
    module.refuse(fmt::format("tensors of type {} are not supported; supported are{}", printable(found), known));
  }
  return found == type;
}

Weight::Weight(const Module& module) : CodedWeight(module, "") {
  description_ = std::make_shared<const Json>(parse_json(*description_of(module), where_of(module)));
  format_ = fmt::format("{}/{}", kMethod, JsonObject(*description_, where_of(module)).string("_type"));
  parts_ = parts_of(module, kRoles);
}

JsonObject Weight::data() const {
  return JsonObject(*description_, where_of(module_)).object("_data");
}

const StoredTensor* Weight::find_part(std::string_view name) const {
  return module_.find(fmt::format("_weight_{}", name));
}

const StoredTensor& Weight::part(std::string_view name) const {
  return module_.at(fmt::format("_weight_{}", name));
}

std::pair<int64_t, int64_t> Weight::block_size() const {
  const JsonObject json = data();
  const Json* block = json.find("block_size");
  const bool pair = block && block->is_array() && block->size() == 2 && (*block)[0].is_number_integer() &&
                    (*block)[1].is_number_integer() && (*block)[0] > 0 && (*block)[1] > 0;
  if (!pair) json.refuse("block_size", "two numbers from 1 up: rows, columns");
  return {(*block)[0], (*block)[1]};
}

int64_t Weight::column_block() const {
  const int64_t columns = data().integer("block_size");
  if (columns < 1) data().refuse("block_size", "a number from 1 up");
  return columns;
}

void Weight::set_row_scales(DType stored_as) {
  const StoredTensor& scale = part("scale");
  if (scale.dtype != stored_as && scale.dtype != DType::U8) {
    module_.refuse(fmt::format("{}: expected {}, found {}", scale.name, name_of(stored_as), scale.describe()));
  }
  column_block_ = column_block();
  if (!data().boolean_or("is_swizzled_scales", false)) return set_scales(scale, stored_as, 1, column_block_);
  const int64_t groups = ceil_div(cols_, column_block_);
  const int64_t padded = ceil_div(rows_, kTileRows) * ceil_div(groups, kTileCols) * kTile;
  if (scale.elements() != padded) {
    module_.refuse(fmt::format("{}: expected {} scales (tiles of {} x {} that cover [{}, {}]), found {}", scale.name,
                               padded, kTileRows, kTileCols, rows_, groups, scale.describe()));
  }
  swizzled_ = &scale;
  swizzled_as_ = stored_as;
}

void Weight::finish() {
  if (const StoredTensor* scale = find_part("act_pre_scale")) set_column_scale(*scale);
  if (module_.kind() == Module::Kind::embedding) return;
  input_quant_ = declared_quant([&] { return torchao::input_quant(module_, data()); });
  if (input_quant_.active()) input_quant_.column_scale = read_column_scale();
}

int64_t Weight::row_alignment() const {
  return swizzled_ ? kTileRows : 1;
}

ScaleGrid::Rows Weight::read_scales(int64_t begin, int64_t end) const {
  if (!swizzled_) return CodedWeight::read_scales(begin, end);
  const int64_t groups = ceil_div(cols_, column_block_);
  const int64_t tile_row = ceil_div(groups, kTileCols) * kTile;  // entries of the tiles beside each other
  const int64_t first = begin / kTileRows, count = (end - 1) / kTileRows + 1 - first;
  const std::vector<float> stored =
      read_values(module_.checkpoint(), *swizzled_, swizzled_as_, first * tile_row, count * tile_row);
  std::vector<float> scales((end - begin) * groups);
  for (int64_t row = begin; row < end; ++row) {
    const float* tiles = stored.data() + (row / kTileRows - first) * tile_row;
    for (int64_t group = 0; group < groups; ++group) {
      scales[(row - begin) * groups + group] = tiles[group / kTileCols * kTile + place_in_tile(row, group)];
    }
  }
  require_finite(module_, *swizzled_, scales, begin * groups, groups);
  return {begin, end, cols_, column_block_, std::move(scales)};
}

}  // namespace assay::torchao
