#pragma once
#include <string>
#include <string_view>

namespace assay {

/// Text of a stranger made fit for a message: in double quotes, control characters escaped, long text shortened.
std::string printable(std::string_view text);

}  // namespace assay
