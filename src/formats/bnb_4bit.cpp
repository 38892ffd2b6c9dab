#include "formats/bnb_4bit.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "formats/shared/bits.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"
#include "formats/shared/unpack.h"

namespace assay {

namespace {

constexpr std::string_view kState = "weight.quant_state.bitsandbytes__";
constexpr NamedRole kRoles[] = {
    {"weight", Role::codes},
    {"weight.absmax", Role::scales},
    {"weight.nested_absmax", Role::scales},
    {"weight.quant_map", Role::codebooks},
    {"weight.nested_quant_map", Role::codebooks},
    {"weight.quant_state", Role::codebooks},
    {"bias", Role::bias},
};
/// Of the JSON text that a file may have us parse; the tool writes less than 200 bytes.
constexpr uint64_t kLongestState = 1 << 16;

}  // namespace

/// What the JSON beside the codes says.
struct Bnb4Bit::State {
  int64_t rows = 0, cols = 0, block = 0, nested_block = 0;
  double nested_offset = 0;

  State(const Module& module, const StoredTensor& tensor) {
    if (tensor.dtype != DType::U8 || tensor.bytes > kLongestState) {
      module.refuse(fmt::format("{}: expected a JSON text as U8 of at most {} bytes, found {}", tensor.name,
                                kLongestState, tensor.describe()));
    }
    const std::vector<std::byte> bytes = module.checkpoint().read(tensor);
    const Json value = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, tensor.name);
    const JsonObject json(value, tensor.name);
    const Json* shape = json.find("shape");
    const auto is_size = [](const Json& n) { return n.is_number_integer() && n.get<int64_t>() > 0; };
    if (!shape || !shape->is_array() || shape->size() != 2 || !is_size((*shape)[0]) || !is_size((*shape)[1])) {
      json.refuse("shape", "[out, in], both positive");
    }
    rows = (*shape)[0].get<int64_t>();
    cols = (*shape)[1].get<int64_t>();
    block = json.integer("blocksize");
    if (block < 1) json.refuse("blocksize", "a positive number");
    if (!json.has("nested_blocksize")) return;
    nested_block = json.integer("nested_blocksize");
    nested_offset = json.number("nested_offset");
    if (nested_block < 1) json.refuse("nested_blocksize", "a positive number");
    if (!std::isfinite(static_cast<float>(nested_offset))) json.refuse("nested_offset", "a finite float32");
  }
};

const StoredTensor* Bnb4Bit::state_in(const Module& module) {
  const std::string prefix = fmt::format("{}.{}", module.name(), kState);
  const auto& all = module.checkpoint().tensors();
  const auto found = all.lower_bound(prefix);
  return found != all.end() && found->first.starts_with(prefix) ? &found->second : nullptr;
}

Bnb4Bit::Bnb4Bit(const Module& module) : StoredWeight(module) {
  const StoredTensor& json = *state_in(module);
  type_ = json.name.substr(module.name().size() + 1 + kState.size());
  if (type_ != "nf4" && type_ != "fp4") {
    module.refuse(fmt::format("{}: expected a quant_state of nf4 or fp4, found {}", json.name, printable(type_)));
  }
  const State state(module, json);
  codes_ = &module.at("weight");
  const auto capacity = static_cast<int64_t>(codes_->bytes) * 2;
  if (state.rows > capacity || state.cols > capacity / state.rows ||
      ceil_div(state.rows * state.cols, 2) != static_cast<int64_t>(codes_->bytes)) {
    module.refuse(fmt::format("{}: a weight [{}, {}] takes half a byte for each element, found {} ({} bytes)",
                              codes_->name, state.rows, state.cols, codes_->describe(), codes_->bytes));
  }
  rows_ = state.rows;
  cols_ = state.cols;
  block_ = state.block;
  map_ = &module.expect("weight.quant_map", {DType::F32}, {16});
  const int64_t blocks = ceil_div(rows_ * cols_, block_);
  absmax_ = &module.expect("weight.absmax", {DType::F32, DType::U8}, {blocks});
  if (absmax_->dtype == DType::U8) {
    find_nested_scales(state, blocks);
  } else if (const StoredTensor* nested = module.find("weight.nested_absmax")) {
    module.refuse(
        fmt::format("{}: expected U8, codes under {}, found {}", absmax_->name, nested->name, absmax_->describe()));
  }
  parts_ = parts_of(module, kRoles);
}

void Bnb4Bit::find_nested_scales(const State& state, int64_t blocks) {
  if (state.nested_block == 0) {
    module_.refuse(fmt::format("{} holds codes, but the quant_state has no key \"nested_blocksize\"", absmax_->name));
  }
  nested_block_ = state.nested_block;
  nested_offset_ = static_cast<float>(state.nested_offset);
  nested_absmax_ = &module_.expect("weight.nested_absmax", {DType::F32}, {ceil_div(blocks, nested_block_)});
  nested_map_ = &module_.expect("weight.nested_quant_map", {DType::F32}, {256});
}

/// Scales of the blocks [first, first + count).
std::vector<float> Bnb4Bit::read_scales(int64_t first, int64_t count) const {
  const Checkpoint& checkpoint = module_.checkpoint();
  if (!nested_absmax_) {
    std::vector<float> scales = read_values(checkpoint, *absmax_, DType::F32, first, count);
    require_finite(module_, *absmax_, scales, first);
    return scales;
  }
  const int64_t first_nested = first / nested_block_;
  const int64_t end_nested = ceil_div(first + count, nested_block_);
  const auto outer = read_values(checkpoint, *nested_absmax_, DType::F32, first_nested, end_nested - first_nested);
  require_finite(module_, *nested_absmax_, outer, first_nested);
  const auto values = read_floats(checkpoint, *nested_map_);
  require_finite(module_, *nested_map_, values);
  const auto codes = read_elements<uint8_t>(checkpoint, *absmax_, first, count);
  std::vector<float> scales(count);
  for (int64_t k = 0; k < count; ++k) {
    const float product = values[codes[k]] * outer[(first + k) / nested_block_ - first_nested];
    scales[k] = product + nested_offset_;
  }
  return scales;
}

void Bnb4Bit::decode(int64_t begin, int64_t end, float* out) const {
  const auto map = read_floats(module_.checkpoint(), *map_);
  require_finite(module_, *map_, map);
  const NibblePairs pairs(map.data());
  const int64_t first = begin * cols_, last = end * cols_;
  const int64_t first_block = first / block_;
  const std::vector<float> scales = read_scales(first_block, ceil_div(last, block_) - first_block);

  // Codes and weights of one round stay in the cache.
  constexpr int64_t kRound = 1 << 15;
  std::vector<std::byte> codes(kRound / 2 + 1);
  for (int64_t at = first, next; at < last; at = next) {
    next = std::min(last, (at / kRound + 1) * kRound);
    const int64_t first_byte = at / 2, bytes = ceil_div(next, 2) - first_byte;
    module_.checkpoint().read(*codes_, first_byte, {codes.data(), static_cast<size_t>(bytes)});
    float* w = out + (at - first);
    unpack_high_nibble_first(reinterpret_cast<const uint8_t*>(codes.data()), at % 2, next - at, pairs, w);
    for (int64_t run = at, run_end; run < next; run = run_end) {
      run_end = std::min(next, (run / block_ + 1) * block_);
      scale_codes(w + (run - at), run_end - run, scales[run / block_ - first_block], 0);
    }
  }
}

}  // namespace assay
