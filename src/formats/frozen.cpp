#include "formats/frozen.h"

#include <algorithm>

#include "base/error.h"
#include "formats/shared/quantize.h"
#include "formats/shared/reading.h"

namespace assay {

using Element = ActivationQuant::Element;

namespace {

void quantize_elements(Element element, float* w, int64_t count, CodeRange range, float scale, float zero) {
  if (element == Element::integer) return quantize_run<Element::integer>(w, count, range, scale, zero);
  if (element == Element::e4m3) return quantize_run<Element::e4m3>(w, count, range, scale, zero);
  quantize_run<Element::e2m1>(w, count, range, scale, zero);
}

}  // namespace

Frozen::Frozen(const Module& module) : Weight(module) {
  weight_ = &module.expect("weight", {DType::BF16, DType::F16, DType::F32}, {-1, -1});
  const compressed_tensors::QuantArgs* scheme = args();
  if (!scheme) module.refuse("a weight with a scale, but no group of the config says how to quantize it");
  if (!scheme->is_float && scheme->bits <= 8) {
    element_ = Element::integer;
  } else if (scheme->is_float && (scheme->bits == 8 || scheme->bits == 4)) {
    element_ = scheme->bits == 8 ? Element::e4m3 : Element::e2m1;
  } else {
    module.refuse(fmt::format("cannot quantize to {}", scheme->describe()));
  }
  init(weight_->shape[0], weight_->shape[1], kInfo.name);
  const StoredTensor& scale = module.at("weight_scale");
  if (module.has("weight_global_scale")) {
    global_ = &global_scale();
    if (scale.dtype == DType::F8_E4M3) scales_ = scale_grid(scale, DType::F8_E4M3);
  }
  if (scale.dtype != DType::F8_E4M3 || !global_) scales_ = float_scale_grid();
  if (element_ == Element::integer) zeros_ = byte_zero_points(scales_);
}

void Frozen::decode(int64_t begin, int64_t end, float* out) const {
  ScaleGrid::Rows scales = scales_.read(module_, begin, end);
  if (zeros_) read_byte_zero_points(*zeros_, scales);
  if (global_) divide_by_global(*global_, scales);
  for (float scale : scales.scales) {
    if (!(scale > 0)) fail("{}: weight_scale holds {}; expected positive scales to divide by", name(), scale);
  }
  const CodeRange range = code_range(element_, args()->bits);
  for_rows(module_.checkpoint(), *weight_, cols_ * bits_of(weight_->dtype) / 8, begin, end,
           [&](int64_t row, const uint8_t* stored) {
             float* w = out + (row - begin) * cols_;
             convert_floats(weight_->dtype, stored, cols_, w);
             scales.for_runs(row, [&](int64_t first, int64_t count, float scale, float zero) {
               quantize_elements(element_, w + first, count, range, scale, zero);
             });
           });
}

}  // namespace assay
