#pragma once
#include <string>
#include <vector>

#include "report/result.h"

namespace assay {

struct NamedResult {
  std::string name;  ///< for messages: the file it came from
  Result result;
};

/// The models of several runs in one report, the reference first. A model that several runs have measured alike is
/// there once. Error where the runs have not read the same tokens in the same way, or not had the same reference. Needs
/// one.
Result merge_results(std::vector<NamedResult> runs);

}  // namespace assay
