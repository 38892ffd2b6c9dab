#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "device/device.h"

namespace assay {

/// One object of a compare_q model spec.
struct ModelEntry {
  std::string label;
  /// Absolute, or relative to the working directory of this process. Several: a directory and tensor files that
  /// override its own (EXL3).
  std::vector<std::filesystem::path> model_dir;
  std::string group;                   ///< a project file's; empty = the label's first word
  bool reference = false;              ///< what the others are compared with: has `out_logits`
  bool noise_floor = false;            ///< the reference once more, with other arithmetic
  double noise = 0;                    ///< EvalOptions::noise
  std::optional<Precision> precision;  ///< instead of the run's
  std::optional<double> override_bpw_layer, override_bpw_head, override_vram_bits;
};

struct ModelList {
  std::vector<ModelEntry> models;  ///< the reference first, then the order of the files
  std::vector<std::string> notes;
};

/// Reads and concatenates spec files; `*`, `?` and `[` in a name are glob patterns, whose matches are sorted.
/// Relative paths inside a file count from that file, or from the working directory if nothing is there. Throws Error.
ModelList read_model_specs(const std::vector<std::string>& files);

/// Adds the reference in the other precision behind it, as the noise floor of the run. Error without a reference.
void add_noise_floor(std::vector<ModelEntry>& models, Precision run);

/// compare_q's -mask: which labels contain one of the parts ("awq;gguf"), in any case. An empty mask matches all.
class LabelMask {
 public:
  explicit LabelMask(const std::string& mask);
  bool empty() const { return parts_.empty(); }
  bool matches(const std::string& label) const;

 private:
  std::vector<std::string> parts_;
};

/// Keeps the models that the mask matches, and the reference. Error when no model is left.
std::vector<ModelEntry> masked(const std::vector<ModelEntry>& models, const std::string& mask);

}  // namespace assay
