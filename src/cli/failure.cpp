#include "cli/failure.h"

#include <filesystem>
#include <new>

#include "base/error.h"

namespace assay {

std::string message_of(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return error->what();
  if (dynamic_cast<const std::bad_alloc*>(&exception))
    return "out of memory; try a smaller --memory, fewer rows, or shorter ones";
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&exception))
    return fmt::format("{}: {}", file->path1().string(), file->code().message());
  return fmt::format("internal error, please report it: {}", exception.what());
}

}  // namespace assay
