#pragma once
#include <exception>
#include <string>

namespace assay {

/// What to tell the user about an exception.
std::string message_of(const std::exception& exception);

}  // namespace assay
