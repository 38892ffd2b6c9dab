#pragma once
#include <string>
#include <vector>

namespace assay {

/// Names of the commands, in the order of the overview.
const std::vector<std::string>& commands();
/// The overview for an empty name, else one command's page.
std::string help_text(const std::string& command);
std::string version_text();

}  // namespace assay
