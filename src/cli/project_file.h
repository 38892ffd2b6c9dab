#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cli/model_spec_file.h"
#include "tokens/data_spec.h"

namespace assay {

/// A chart that a project asks for.
struct ProjectChart {
  enum class Kind : uint8_t { ppl, kld, kld_spread, kld_histogram, kld_histogram_combined };
  Kind kind = Kind::ppl;
  bool vram = false;  ///< x is GiB instead of bits per weight
  std::filesystem::path file;
  bool log_x = true, log_y = false;  ///< of histograms
  std::vector<std::string> labels;   ///< of histograms: the models that take part; empty = all
};

/// qbench's project file, with names and defaults as there.
struct Project {
  std::string title;
  DataSpec data;
  std::vector<ModelEntry> models;  ///< the reference first, then its noise floor if there is one
  std::string reference_quant;     ///< words for captions
  std::filesystem::path cache_dir;
  uint64_t cache_bytes = 0;
  std::filesystem::path results;  ///< empty = none
  std::vector<ProjectChart> charts;
  bool dark = true;
  std::string caption;  ///< empty = none; "\n" alone stands for the usual one
  std::vector<std::string> notes;
};

/// Relative paths count from the file. Error when a key is missing, malformed, or has no meaning here.
Project read_project(const std::filesystem::path& file);

}  // namespace assay
