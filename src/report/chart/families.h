#pragma once
#include <map>
#include <string>

#include "report/result.h"

namespace assay {

/// What a chart calls a model: its family, and its name within it.
struct ChartName {
  std::string family, name;
  std::string full() const { return family == name ? name : family + " " + name; }
};
/// compare_q's rule: the label is cut at "[", its first word is the family, the rest the name. A group from a project
/// file is the family, then the whole label is the name.
ChartName chart_name(const ModelResult& model);

/// Family -> colour. AWQ, EXL3 and GGUF have their own; the others take what is free in alphabetical order.
std::map<std::string, int> family_colors(const Result& result);

}  // namespace assay
