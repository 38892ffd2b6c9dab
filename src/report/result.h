#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// "0.1.0".
extern const char* const kVersion;

/// What running a model gave. NaN where a number does not exist.
struct Measurement {
  double mean_nll = 0, nll_se = 0;  ///< nats a scored token
  double ppl = 0, ppl_se = 0;
  std::vector<double> row_nll;
  double seconds = 0;
  double tokens_per_second = 0;
  uint64_t peak_rss_bytes = 0;
  std::map<std::string, double> stage_seconds;
  std::vector<std::string> notes;
};

}  // namespace assay
