#pragma once
#include <string_view>

namespace assay {

/// Whether the whole of `text` fits a shell pattern as Python's fnmatch understands it: * is any text, ? any one
/// character, [abc], [a-c], [!abc] one of some. Takes at most pattern times text steps.
bool matches_wildcard(std::string_view pattern, std::string_view text);

}  // namespace assay
