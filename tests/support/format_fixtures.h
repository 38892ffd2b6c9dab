#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/support.h"

namespace assay::test {

/// The checkpoints of the formats' own tools whose every weight has a golden hash: one line makes a new format's
/// fixture part of the tests of decoding and of the forward pass.
inline std::vector<std::string> format_fixtures() {
  return {
      "base",
      "compressed_tensors/fp8_block",
      "compressed_tensors/fp8_dynamic",
      "compressed_tensors/fp8_kv",
      "compressed_tensors/int_misc",
      "compressed_tensors/marlin24",
      "compressed_tensors/mixed_bits",
      "compressed_tensors/mixed_block_mx",
      "compressed_tensors/mixed_nvfp4_fp8",
      "compressed_tensors/moe_nvfp4",
      "compressed_tensors/moe_w4a16",
      "compressed_tensors/mxfp4",
      "compressed_tensors/mxfp6_ct020",
      "compressed_tensors/nvfp4",
      "compressed_tensors/old_packing_3_5_6bit",
      "compressed_tensors/quip_w4a8",
      "compressed_tensors/sparse24_fp8",
      "compressed_tensors/sparse_bitmask",
      "compressed_tensors/spinquant_w4a16",
      "compressed_tensors/w4a16",
      "compressed_tensors/w4a16_actorder_group",
      "compressed_tensors/w4a16_asym",
      "compressed_tensors/w4a16_head",
      "compressed_tensors/w8a8",
      "aqlm/aqlm-1x12-g8-head",
      "aqlm/aqlm-1x16-g8",
      "aqlm/aqlm-2x8-g8",
      "bitsandbytes/fp4-b128",
      "bitsandbytes/int8",
      "bitsandbytes/nf4-dq-head",
      "vptq/vptq-v4-k64-r16-g4",
      "vptq/vptq-v4-k65536-r65536",
      "vptq/vptq-v6-k1024-outlier",
      "vptq/vptq-v8-k512-r256",
      "fp8_block/b128",
      "fp8_block/b96x160-edge",
      "fp8_tensor/static",
      "fbgemm_fp8/rowwise",
      "modelopt/mixed-fp8-nvfp4-kv8",
      "modelopt/nvfp4",
      "modelopt/w4a16-awq",
      "quark/mixed-fp8-int4-mxfp4",
      "mlx/affine-4bit-g64",
      "mlx/affine-mixed-bits",
      "mlx/modes-mixed",
      "mlx/mxfp4",
      "torchao/int4wo-g64",
      "torchao/mixed",
      "quanto/int4",
      "quanto/mixed",
      "hqq/hf-4bit-g64-axis1",
      "hqq/hf-mixed-axes",
      "hqq/native-2bit-1bit",
      "bitnet/autobitlinear",
      "bitnet/bitlinear",
      "gptq/dynamic_mixed",
      "gptq/pack_int16",
      "gptq/planar_2to7",
      "gptq/w2_g32_asym_v2",
      "gptq/w3_g32_asym_actorder_old_config",
      "gptq/w4_g128_sym_actorder",
      "awq/gemm_g128_asym",
      "awq/gemm_g128_sym_by_autoround",
      "awq/gemv_fast_g128",
      "awq/gemv_g64",
      "awq/llm_awq_g64",
      "autoround/mixed_w2_asym_g32",
      "autoround/mxfp4",
      "autoround/mxint4",
      "autoround/nvfp4",
      "autoround/w4_sym_g128",
      "autoround/w6_mixed_w5_w7",
      "qqq/w4a8_g128",
      "gguf/IQ1_M",
      "gguf/IQ1_S",
      "gguf/IQ2_S",
      "gguf/IQ2_XS",
      "gguf/IQ2_XXS",
      "gguf/IQ3_S",
      "gguf/IQ3_XXS",
      "gguf/IQ4_NL",
      "gguf/IQ4_XS",
      "gguf/MXFP4",
      "gguf/NVFP4",
      "gguf/Q1_0",
      "gguf/Q2_0",
      "gguf/Q2_K",
      "gguf/Q3_K",
      "gguf/Q4_0",
      "gguf/Q4_1",
      "gguf/Q4_K",
      "gguf/Q4_K_M",
      "gguf/Q5_K",
      "gguf/Q6_K",
      "gguf/Q8_0",
      "gguf/TQ1_0",
      "gguf/TQ2_0",
      "gguf/bigendian_Q4_K",
      "gguf/split_Q4_K",
      "gguf/tied_Q3_K_M",
      "gguf/v2_Q1_0",
  };
}

/// What to open of a fixture's folder: the folder, or the GGUF file in it (of a split one, the second part).
inline std::filesystem::path fixture_model(const std::string& name) {
  for (const char* file : {"model.gguf", "model-00002-of-00003.gguf"}) {
    if (std::filesystem::exists(fixtures() / name / file)) return fixtures() / name / file;
  }
  return fixtures() / name;
}

/// "modelopt/w4a16-awq" is called modelopt_w4a16_awq.
inline std::string fixture_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '/' || c == '-' ? '_' : c;
  return name;
}

}  // namespace assay::test
