#include "formats/shared/parts.h"

namespace assay {

namespace {

/// "weight.quant_state" covers "weight.quant_state.bitsandbytes__nf4", and "weight" covers both but not "weight_scale".
bool covers(std::string_view name, std::string_view suffix) {
  return suffix.starts_with(name) && (suffix.size() == name.size() || suffix[name.size()] == '.');
}

}  // namespace

std::vector<StoredPart> parts_of(const Module& module, std::span<const NamedRole> roles) {
  std::vector<StoredPart> parts;
  const std::string prefix = module.name() + ".";
  const auto& all = module.checkpoint().tensors();
  for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it) {
    const std::string_view suffix = std::string_view(it->first).substr(prefix.size());
    StoredPart part{Role::other, &it->second};
    size_t longest = 0;
    for (const auto& [name, role] : roles) {
      if (name.size() <= longest || !covers(name, suffix)) continue;
      longest = name.size();
      part.role = role;
    }
    parts.push_back(part);
  }
  return parts;
}

}  // namespace assay
