#pragma once
#include <string_view>

#include "tokens/chat/ast.h"

namespace assay::jinja {

/// Parses a template. Error, beginning with the line, when it is malformed, uses a statement that is not supported
/// (those that load other templates), or nests deeper than any template does.
Body parse(std::string_view source);

}  // namespace assay::jinja
