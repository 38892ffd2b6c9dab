#pragma once
#include "formats/format.h"

namespace assay::torchao {

// Quantized inputs of torchao, as the "_data" of a weight's description declares them; for each token (PerRow) or run
// of columns (PerBlock, MX, NVFP4), in float32:
//
//   activation_quantization "int8_asym_per_token", QuantizeTensorToInt8Kwargs of mapping_type ASYMMETRIC:
//            s = max(spread / 255, 2^-23), z = clamp(-128 - round(min / s)), x^ = (clamp(round(x * (1 / s)) + z) - z) *
//            s
//   QuantizeTensorToInt8Kwargs of mapping_type SYMMETRIC:
//            s = max(amax / 127.5, 2^-23), x^ = clamp(round(x * (1 / s))) * s
//            reduce_range: codes of 7 bits; PerTensor beside act_quant_scale: that one
//   QuantizeTensorToFloat8Kwargs: s = clamp(amax, hp_value_lb, hp_value_ub) / largest, x^ = fp8(clamp(x / s)) * s
//   QuantizeTensorToMXKwargs: s a power of two by `scaling_mode`, x^ = fp(clamp(x / s)) * s
//   QuantizeTensorToNVFP4Kwargs: g = act_per_tensor_scale or 1, s = e4m3(clamp(amax / 6 / g, 2^-6, 448)),
//            x^ = e2m1(clamp(x * (1 / g / s))) * (g * s)
//
// What is scaled over all tokens of a call at once (PerTensor without a stored scale, use_dynamic_per_tensor_scale)
// depends on what else is in the call, and is not emulated.
ActivationQuant input_quant(const Module& module, const JsonObject& data);

}  // namespace assay::torchao
