#pragma once
#include "checkpoint/printable.h"
#include "formats/autoround/config.h"
#include "formats/awq_gemm.h"
#include "formats/shared/column_packed.h"

namespace assay {

// AutoRound's integers, packed as GPTQ packs them (see ColumnPacked) but always as streams, 5, 6 and 7 bits too, and
// without g_idx: the group of column i is i / group_size. The packing_format, one for the whole file, rules the zeros:
//
//   auto_round:auto_gptq, auto_round:gptq     z - 1 (0 where z is 0, which comes back as 1)
//   auto_round, auto_round:gptqmodel          z
//
// Releases up to 0.3 have `backend` in its place: auto_round:exllamav2 is auto_round, gptq:exllamav2 auto_round:gptq.
//
// A head that extra_config calls quantized may be stored plain; then it is plain.
class AutoRoundInt : public ColumnPacked {
 public:
  static constexpr FormatInfo kInfo{"auto_round|auto_gptq|gptqmodel", autoround::kMethod, "2-8",
                                    "qweight I32 [in*b/32, out], qzeros I32 [groups, out*b/32], scales F16 "
                                    "[groups, out]"};

  static bool matches(const Module& module) {
    return module.config().method() == autoround::kMethod && module.has("qweight");
  }

  explicit AutoRoundInt(const Module& module) : ColumnPacked(module, layout_of(module)) {
    input_quant_ = autoround::input_quant(module, autoround::config_of(module).scheme_of(module.name()), cols_);
  }

  std::string format() const override {
    const std::string& packing = autoround::config_of(module_).packing();
    return std::string(autoround::kMethod) + "/" + packing.substr(packing.find(':') + 1);
  }

 private:
  static Layout layout_of(const Module& module) {
    const auto& config = autoround::config_of(module);
    const std::string& packing = config.packing();
    Layout layout;
    layout.where = config.where();
    layout.zeros_minus_one = packing == "auto_round:auto_gptq" || packing == "auto_round:gptq";
    if (!layout.zeros_minus_one && packing != "auto_round" && packing != "auto_round:gptqmodel") {
      module.refuse(
          fmt::format("{}: packing_format {} is not known for qweight; known are auto_round, "
                      "auto_round:gptqmodel, auto_round:auto_gptq, auto_round:gptq, auto_round:auto_awq",
                      layout.where, printable(packing)));
    }
    for (const autoround::Scheme& scheme : config.schemes_of(module.name())) {
      layout.schemes.push_back({scheme.bits, scheme.group_size});
    }
    return layout;
  }
};

// AutoRound's integers in the layout of AWQ: see AwqGemm.
class AutoRoundAwq : public AwqGemm {
 public:
  static constexpr FormatInfo kInfo{"auto_awq", autoround::kMethod, "4",
                                    "qweight I32 [in, out*b/32], qzeros I32 [groups, out*b/32], scales F16 "
                                    "[groups, out]"};

  static bool matches(const Module& module) {
    return AutoRoundInt::matches(module) && autoround::config_of(module).packing().ends_with("awq");
  }

  explicit AutoRoundAwq(const Module& module)
      : AutoRoundAwq(module, autoround::config_of(module).scheme_of(module.name())) {}

  std::string format() const override { return "auto-round/auto_awq"; }

 private:
  AutoRoundAwq(const Module& module, const autoround::Scheme& scheme)
      : AwqGemm(module, scheme.bits, scheme.group_size) {
    input_quant_ = autoround::input_quant(module, scheme, cols_);
  }
};

}  // namespace assay
