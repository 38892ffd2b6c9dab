#pragma once
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "tokens/chat/ast.h"

namespace assay::jinja {

struct Environment {
  std::vector<std::pair<std::string, Value>> variables;
  std::tm now{};  ///< what strftime_now formats
};

struct Rendering {
  std::string text;
  bool used_date = false;  ///< the template asked for the date
};

/// Renders a template. Error, beginning with the line, when it refuses its input or costs more than a Budget allows.
Rendering render(const Body& body, const Environment& environment);

}  // namespace assay::jinja
