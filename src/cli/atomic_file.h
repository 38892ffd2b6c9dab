#pragma once
#include <filesystem>
#include <string_view>

namespace assay {

/// Replaces the file's content: a reader sees the old text or the new one, never a part, even after a full disk or a
/// power cut. A pipe or device is written to directly. Error when it cannot be done; the old file is then untouched.
void write_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace assay
