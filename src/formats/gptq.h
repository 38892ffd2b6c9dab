#pragma once
#include "formats/gptq/config.h"
#include "formats/shared/column_packed.h"

namespace assay {

// GPTQ as AutoGPTQ and GPTQModel store it: see ColumnPacked for the tensors. The config's checkpoint_format tells what
// the bits mean:
//
//   gptq      zero points minus one; 2, 3, 4, 8 bits as streams. Also where the config names no format
//   gptq_v2   zero points as they are; 2, 3, 4, 8 bits as streams
//   gptq_p    zero points as they are; 2 to 8 bits, planar, which differs for 3, 5, 6, 7
//
// 5, 6 and 7 bits have no other layout: GPTQModel takes them for gptq_p whatever the config says.
//
//   config: bits, group_size (-1: the whole row), dynamic: {pattern: {bits, group_size}}, each pattern to match from
//   the start of the module's name; "-:" in front leaves modules plain.
//
// Activation order shows in g_idx alone. Symmetric checkpoints hold their constant zero point all the same.
class Gptq : public ColumnPacked {
 public:
  static constexpr FormatInfo kInfo{"gptq|gptq_v2|gptq_p", "gptq", "2-8",
                                    "qweight I32 [in*b/32, out], qzeros I32 [groups, out*b/32], scales float "
                                    "[groups, out], g_idx I32 [in]"};

  static bool matches(const Module& module) {
    return module.config().method() == gptq::kMethod && module.has("qweight");
  }

  explicit Gptq(const Module& module)
      : ColumnPacked(plain(module), module.config().parsed<gptq::Config>().layout_of(module.name())),
        format_(module.config().parsed<gptq::Config>().format()) {}

  std::string format() const override { return "gptq/" + format_; }

 private:
  /// Marlin's tensors have other names.
  static const Module& plain(const Module& module) {
    if (module.config().parsed<gptq::Config>().format() == "marlin") {
      module.refuse(
          "the config says marlin, whose tensors are B and s; a qweight beside it is not supported. Should it be one "
          "of gptq, gptq_v2, gptq_p?");
    }
    return module;
  }

  std::string format_;
};

}  // namespace assay
