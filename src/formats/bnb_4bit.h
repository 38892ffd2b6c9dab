#pragma once
#include "formats/format.h"

namespace assay {

// Four bits as bitsandbytes stores them: the matrix as one run of codes, row after row, cut into blocks that ignore
// the ends of rows.
//
//   weight                    U8   [ceil(out * in / 2), 1]   element 2j in the high nibble of byte j, 2j + 1 in the low
//                                                            one; any other type of as many bytes (quant_storage)
//   weight.absmax             F32  [blocks]                  scale of each block, or, "double quantized",
//                             U8   [blocks]                  a code of it
//   weight.quant_map          F32  [16]                      value of each code: NF4, or FP4, which is not E2M1
//   weight.nested_absmax      F32  [ceil(blocks / nested_blocksize)]    } with U8 absmax only
//   weight.nested_quant_map   F32  [256]                                }
//   weight.quant_state.bitsandbytes__nf4 | ..fp4   U8 [n]    JSON: blocksize, shape [out, in], nested_blocksize,
//                                                            nested_offset
//
//   W[n] = quant_map[code[n]] * a[n / blocksize]
//   a[k] = absmax[k],  or  nested_quant_map[absmax[k]] * nested_absmax[k / nested_blocksize] + nested_offset
//
// The tool rounds W to the type that the JSON calls dtype; the stored bits mean more and are not rounded here. The
// config says little that is true: its default type is fp4 even beside NF4 tensors.
class Bnb4Bit : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"nf4|fp4", "bitsandbytes", "4",
                                    "weight U8 [out*in/2, 1], weight.absmax F32|U8, weight.quant_map F32 [16], "
                                    "weight.quant_state.bitsandbytes__nf4|fp4 U8"};

  static bool matches(const Module& module) { return state_in(module) != nullptr; }

  explicit Bnb4Bit(const Module& module);
  std::string format() const override { return "bitsandbytes/" + type_; }
  void decode(int64_t begin, int64_t end, float* out) const override;

 private:
  struct State;
  static const StoredTensor* state_in(const Module& module);
  void find_nested_scales(const State& state, int64_t blocks);
  std::vector<float> read_scales(int64_t first, int64_t count) const;

  std::string type_;
  const StoredTensor* codes_;
  const StoredTensor* map_;
  const StoredTensor* absmax_;
  const StoredTensor* nested_absmax_ = nullptr;  // null: absmax_ holds the scales
  const StoredTensor* nested_map_ = nullptr;
  int64_t block_ = 0;
  int64_t nested_block_ = 0;
  float nested_offset_ = 0;
};

}  // namespace assay
