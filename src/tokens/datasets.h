#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// How rows of a data set become one text. P1 and P2 give different perplexities: every report names the one used.
enum class TextProtocol {
  kept_rows,  ///< P1: blank rows dropped, the others joined with two newlines (compare_q)
  all_rows,   ///< P2: all rows joined with two newlines (compare_q's published charts)
  verbatim,   ///< P3: the bytes of the file (llama.cpp)
};
/// "P1", "P2", "P3".
std::string protocol_name(TextProtocol protocol);
std::optional<TextProtocol> protocol_named(const std::string& name);

/// A data set as a data spec names it. Empty means: what the alias says.
struct DatasetRequest {
  std::string dataset;  ///< an alias, or the path of a file or folder
  std::string path;     ///< file or folder with the data, or the hub repository that the alias stands for
  std::string configuration;
  std::string split;
  std::vector<std::string> data_files;
  std::string text_column;
  std::optional<int64_t> max_text_rows;  ///< 0: all
  std::string display_name;
  std::optional<TextProtocol> protocol;
  std::filesystem::path base;  ///< directory that relative paths start from
};

/// Where data may be on this machine.
struct DataLocations {
  std::filesystem::path text_file;             ///< used instead of searching, when not empty
  std::vector<std::filesystem::path> folders;  ///< searched after the directory of the spec
};

struct DatasetText {
  std::string text;
  std::string display_name;
  TextProtocol protocol = TextProtocol::kept_rows;
  std::filesystem::path file;
  int64_t rows = 0;        ///< rows of the data set that were used, blank ones included
  int64_t blank_rows = 0;  ///< of these
};

/// Reads a plain text file or JSON lines. Error when the data is not on this machine (it says which file is missing,
/// where it was looked for, and how to point at it), is in a format that is not supported, or lacks the text column.
DatasetText load_dataset(const DatasetRequest& request, const DataLocations& locations);

/// Name for the chart's subtitle; reads nothing.
std::string dataset_display_name(const DatasetRequest& request);

/// The aliases, for messages and help.
std::vector<std::string> dataset_aliases();

/// `path`, if absolute or there; else relative to `base`, else to the working directory.
std::filesystem::path resolve_path(const std::filesystem::path& path, const std::filesystem::path& base);

}  // namespace assay
