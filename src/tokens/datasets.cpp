#include "tokens/datasets.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "tokens/chat/text.h"
#include "tokens/dataset_rows.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

/// What a name stands for in compare_q.
struct Alias {
  const char* name;
  const char* repository;
  const char* configuration;
  const char* split;
  const char* column;
  const char* display;
  int64_t max_rows;
};

constexpr Alias kAliases[] = {
    {"wiki2", "wikitext", "wikitext-2-raw-v1", "test", "text", "wikitext2", 0},
    {"wikitext2", "wikitext", "wikitext-2-raw-v1", "test", "text", "wikitext2", 0},
    {"wiki103", "wikitext", "wikitext-103-raw-v1", "test", "text", "wiki103", 0},
    {"wikitext103", "wikitext", "wikitext-103-raw-v1", "test", "text", "wiki103", 0},
    {"ptb", "ptb_text_only", "penn_treebank", "test", "sentence", "PTB", 0},
    {"lambada", "EleutherAI/lambada_openai", "", "test", "text", "lambada", 0},
    {"tinystories", "roneneldan/TinyStories", "", "validation", "text", "tinystories", 0},
    {"c4", "allenai/c4", "en", "validation", "text", "c4", 0},
    {"openwebtext10k", "stas/openwebtext-10k", "", "train", "text", "openwebtext", 0},
    {"openwebtext", "Skylion007/openwebtext", "", "train", "text", "openwebtext", 1000},
    {"fineweb", "HuggingFaceFW/fineweb", "sample-10BT", "train", "text", "fineweb", 1000},
    {"fineweb-edu", "HuggingFaceFW/fineweb-edu", "sample-10BT", "train", "text", "fineweb-edu", 1000},
};

const Alias* find_alias(const std::string& dataset) {
  const std::string wanted = text::lower(dataset);
  const auto it =
      std::find_if(std::begin(kAliases), std::end(kAliases), [&](auto& alias) { return alias.name == wanted; });
  return it == std::end(kAliases) ? nullptr : it;
}

const std::string& either(const std::string& given, const std::string& otherwise) {
  return given.empty() ? otherwise : given;
}

/// A request with the gaps filled from its alias.
struct Source {
  explicit Source(const DatasetRequest& request) {
    const Alias* alias = find_alias(request.dataset);
    repository = either(request.path, alias ? alias->repository : request.dataset);
    configuration = either(request.configuration, alias ? alias->configuration : "");
    split = either(request.split, alias ? alias->split : "test");
    column = either(request.text_column, alias ? alias->column : "text");
    max_rows = request.max_text_rows.value_or(alias ? alias->max_rows : 0);
    const bool wiki = repository == "wikitext" || repository == "Salesforce/wikitext" ||
                      (alias && alias->repository == std::string("wikitext"));
    if (wiki && configuration == "wikitext-2-raw-v1") wikitext_folder = "wikitext-2-raw";
    if (wiki && configuration == "wikitext-103-raw-v1") wikitext_folder = "wikitext-103-raw";
  }

  /// File names to look for in a folder that holds this data set.
  std::vector<std::string> file_names() const {
    if (!wikitext_folder.empty()) return {fmt::format("wiki.{}.raw", split == "validation" ? "valid" : split)};
    return {split + ".jsonl", split + ".json", split + ".txt"};
  }

  std::string repository, configuration, split, column;
  std::string wikitext_folder;  ///< its name in the distributed archive; empty for other data sets
  int64_t max_rows = 0;
};

enum class FileKind { text, json, unsupported };

FileKind kind_of(const fs::path& file) {
  const std::string extension = text::lower(file.extension().string());
  if (extension == ".jsonl" || extension == ".json" || extension == ".ndjson") return FileKind::json;
  for (const auto other : {".parquet", ".arrow", ".csv", ".tsv", ".gz", ".bz2", ".xz", ".zst", ".zip", ".tar"}) {
    if (extension == other) return FileKind::unsupported;
  }
  return FileKind::text;
}

/// The data file in a folder that the spec names: by its usual name, else the only one there.
fs::path file_in(const fs::path& folder, const Source& source) {
  for (const std::string& name : source.file_names()) {
    for (const fs::path& file : {folder / name, folder / source.wikitext_folder / name}) {
      if (fs::is_regular_file(file)) return file;
    }
  }
  std::vector<std::string> names;
  fs::path only;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    names.push_back(entry.path().filename().string());
    only = entry.path();
  }
  if (names.size() == 1) return only;
  std::sort(names.begin(), names.end());
  fail("{}: which file is the data set? Looked for {}; there are: {}. Name the file itself in \"dataset_path\"",
       folder.string(), fmt::join(source.file_names(), ", "),
       names.empty() ? "no files" : fmt::format("{}", fmt::join(names, ", ")));
}

[[noreturn]] void fail_not_here(const DatasetRequest& request, const Source& source,
                                const std::vector<fs::path>& tried) {
  std::vector<std::string> places;
  for (const fs::path& place : tried) places.push_back(place.string());
  const auto near = find_alias(request.dataset) ? std::nullopt : nearest(request.dataset, dataset_aliases());
  fail(
      "data set \"{}\" ({} {} {}) is not on this machine{}; data sets are not downloaded. It is needed as a plain text "
      "file or as JSON lines with the column \"{}\"{}. Looked for: {}. Set \"dataset_path\" in the data spec to the "
      "file or its folder, name the file with --text, or its folder with --data-dir or $ASSAY_DATA",
      request.dataset, source.repository, source.configuration.empty() ? "-" : source.configuration, source.split,
      near ? fmt::format(" (did you mean \"{}\"?)", *near) : "", source.column,
      source.wikitext_folder.empty() ? "" : fmt::format(", here {}/{}", source.wikitext_folder, source.file_names()[0]),
      places.empty() ? "nothing, as no data folder is known" : fmt::format("{}", fmt::join(places, ", ")));
}

/// A path that can only mean a file or folder of this machine, not a repository.
bool is_local_path(const std::string& path) {
  const fs::path parsed(path);
  const size_t slashes = static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
  return path.starts_with('/') || path.starts_with('.') || path.starts_with('~') || slashes > 1 ||
         !parsed.extension().empty();
}

fs::path find_file(const DatasetRequest& request, const Source& source, const DataLocations& locations) {
  if (!locations.text_file.empty()) return locations.text_file;
  if (request.data_files.size() > 1) {
    fail("\"dataset_data_files\" names {} files; join them into one and set \"dataset_path\"",
         request.data_files.size());
  }
  std::vector<fs::path> tried;
  std::vector<std::string> named = request.data_files;
  if (!request.path.empty()) named.push_back(request.path);
  if (named.empty() && !find_alias(request.dataset)) named.push_back(request.dataset);
  for (const std::string& name : named) {
    const fs::path path = resolve_path(name, request.base);
    if (fs::is_directory(path)) return file_in(path, source);
    if (fs::exists(path)) return path;
    if (is_local_path(name))
      fail("data set \"{}\": {}: there is no such file or folder", request.dataset, path.string());
    tried.push_back(path);
  }
  std::vector<fs::path> folders{request.base.empty() ? fs::path(".") : request.base};
  folders.insert(folders.end(), locations.folders.begin(), locations.folders.end());
  for (const fs::path& folder : folders) {
    if (source.wikitext_folder.empty()) continue;
    const std::string name = source.file_names()[0];
    // Both names of the test set are alike, so the file alone is only taken for the usual one.
    if (source.wikitext_folder == "wikitext-2-raw") tried.push_back(folder / name);
    tried.push_back(folder / source.wikitext_folder / name);
  }
  for (const fs::path& file : tried) {
    if (fs::is_regular_file(file)) return file;
  }
  fail_not_here(request, source, tried);
}

std::string joined(const std::vector<std::string>& rows, bool keep_blank) {
  std::string text;
  bool begun = false;
  for (const std::string& row : rows) {
    if (!keep_blank && text::strip(row).empty()) continue;
    if (begun) text += "\n\n";
    begun = true;
    text += row;
  }
  return text;
}

/// The first lines of a text; all when `count` is 0.
std::string first_lines(std::string text, int64_t count) {
  size_t end = 0;
  for (int64_t line = 0; line < count && end < text.size(); ++line)
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
  if (count > 0) text.resize(end);
  return text;
}

}  // namespace

std::string protocol_name(TextProtocol protocol) {
  return fmt::format("P{}", static_cast<int>(protocol) + 1);
}

std::optional<TextProtocol> protocol_named(const std::string& name) {
  for (const auto protocol : {TextProtocol::kept_rows, TextProtocol::all_rows, TextProtocol::verbatim}) {
    if (name == protocol_name(protocol)) return protocol;
  }
  return std::nullopt;
}

std::vector<std::string> dataset_aliases() {
  std::vector<std::string> names;
  for (const Alias& alias : kAliases) names.push_back(alias.name);
  return names;
}

std::string dataset_display_name(const DatasetRequest& request) {
  const Alias* alias = find_alias(request.dataset);
  return either(request.display_name, alias ? alias->display : request.dataset);
}

fs::path resolve_path(const fs::path& path, const fs::path& base) {
  const fs::path beside = base / path;
  return path.is_absolute() || fs::exists(beside) || !fs::exists(path) ? beside : path;
}

DatasetText load_dataset(const DatasetRequest& request, const DataLocations& locations) {
  const Source source(request);
  DatasetText out;
  out.display_name = dataset_display_name(request);
  out.file = find_file(request, source, locations);
  const FileKind kind = kind_of(out.file);
  if (kind == FileKind::unsupported) {
    fail("{}: {} files are not supported; give a plain text file, or JSON lines ({{\"{}\": \"...\"}} on each line)",
         out.file.string(), out.file.extension().string(), source.column);
  }
  // The lines of an arbitrary text file are not rows of a data set, so its bytes are the text.
  const bool rows_matter = kind == FileKind::json || !source.wikitext_folder.empty();
  out.protocol = request.protocol.value_or(rows_matter ? TextProtocol::kept_rows : TextProtocol::verbatim);
  if (kind == FileKind::json && out.protocol == TextProtocol::verbatim) {
    fail("{}: protocol P3 takes the bytes of a plain text file; JSON lines have rows: use P1 or P2", out.file.string());
  }

  std::vector<std::string> rows;
  std::string bytes;
  if (kind == FileKind::json) {
    rows = json_rows(out.file, source.column, source.max_rows);
  } else {
    bytes = first_lines(read_file(out.file), source.max_rows);
    rows = text_rows(bytes);
  }
  out.rows = static_cast<int64_t>(rows.size());
  out.blank_rows = std::count_if(rows.begin(), rows.end(), [](auto& row) { return text::strip(row).empty(); });
  const bool verbatim = out.protocol == TextProtocol::verbatim;
  out.text = verbatim ? std::move(bytes) : joined(rows, out.protocol == TextProtocol::all_rows);
  if (const size_t at = text::find_invalid_utf8(out.text); at != std::string::npos) {
    fail("{}: not UTF-8 (byte {} of the text); convert the file, for example with iconv", out.file.string(), at);
  }
  return out;
}

}  // namespace assay
