#include "report/chart/families.h"

namespace assay {

namespace {

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

ChartName chart_name(const ModelResult& model) {
  std::string label = trimmed(model.label.substr(0, model.label.find('[')));
  if (label.empty()) label = trimmed(model.label);
  if (!model.group.empty() && model.role == ModelRole::model) return {model.group, label};
  const size_t space = label.find_first_of(" \t");
  const std::string family = label.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : trimmed(label.substr(space));
  return {family, rest.empty() ? family : rest};
}

std::map<std::string, int> family_colors(const Result& result) {
  std::map<std::string, int> colors;
  for (const ModelResult& model : result.models)
    if (model.role != ModelRole::noise_floor) colors[chart_name(model).family] = -1;
  int next = 3;
  for (auto& [family, color] : colors)
    color = family == "AWQ" ? 0 : family == "EXL3" ? 1 : family == "GGUF" ? 2 : next++;
  return colors;
}

}  // namespace assay
