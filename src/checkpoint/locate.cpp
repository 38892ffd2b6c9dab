#include "checkpoint/locate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/json_file.h"
#include "checkpoint/printable.h"

namespace assay {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTensors = ".safetensors";
constexpr std::string_view kGguf = ".gguf";
constexpr std::string_view kIndex = ".safetensors.index.json";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kConsolidated = "consolidated.safetensors";

constexpr const char* kPickleAdvice =
    "pickled PyTorch files (.bin, .pt, .pth, .ckpt) can run code when they are read and are never loaded; convert them "
    "where you trust them: `AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(OUT, safe_serialization=True)`, "
    "or `safetensors.torch.save_file(torch.load(FILE, weights_only=True), \"model.safetensors\")`";

bool is_pickle(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt";
}

/// The first few names, in quotes.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i > 0 ? ", " : "") + printable(names[i]);
  if (names.size() > kShown) out += fmt::format(" and {} more", names.size() - kShown);
  return out;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) fail("{}: cannot list the folder: {}", directory.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

template <class Condition>
std::vector<std::string> those(const std::vector<std::string>& names, Condition condition) {
  std::vector<std::string> out;
  std::copy_if(names.begin(), names.end(), std::back_inserter(out), condition);
  return out;
}

[[noreturn]] void refuse_absent(const fs::path& path) {
  if (!path.has_filename() && path.has_parent_path() && path != path.parent_path()) refuse_absent(path.parent_path());
  const fs::path parent = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code ignored;
  if (fs::is_symlink(path, ignored)) {
    fail("{}: a link to {}, which does not exist (incomplete download?)", path.string(),
         fs::read_symlink(path, ignored).string());
  }
  if (!is_folder(parent)) fail("{}: does not exist, nor does the folder {}", path.string(), parent.string());
  const std::vector<std::string> names = names_in(parent);
  const auto near = nearest(path.filename().string(), names);
  fail("{}: does not exist; {} has {}", path.string(), parent == "." ? "the current folder" : parent.string(),
       near            ? printable(*near)
       : names.empty() ? "nothing in it"
                       : listed(names));
}

/// A hub cache folder, `models--ORG--NAME`, holds revisions under snapshots/ and names of revisions under refs/.
fs::path resolve_hub_cache(const fs::path& path) {
  const fs::path snapshots = path / "snapshots";
  if (!is_folder(snapshots)) return path;
  if (is_there(path / "refs" / "main")) {
    std::string revision = read_model_text(path / "refs" / "main");
    revision.erase(revision.find_last_not_of(" \r\n") + 1);
    if (is_plain_file_name(revision) && is_folder(snapshots / revision)) return snapshots / revision;
  }
  const std::vector<std::string> revisions = names_in(snapshots);
  if (revisions.size() == 1) return snapshots / revisions[0];
  if (revisions.empty()) fail("{}: a hub cache folder without any snapshot; download the model", path.string());
  fail("{}: a hub cache folder with {} snapshots, none of which is refs/main; give one of them: {}", path.string(),
       revisions.size(), listed(revisions));
}

void read_index(ModelFiles& files, const std::string& name) {
  const std::string where = (files.directory / name).string();
  const Json index = read_model_json(files.directory / name);
  const JsonObject map = JsonObject(index, where).object("weight_map");
  files.index.emplace();
  files.index_name = name;
  for (const auto& [tensor, file] : map.json().items()) {
    if (!file.is_string()) fail("{}: weight_map: tensor {}: expected the name of a file", where, printable(tensor));
    const auto& shard = file.get_ref<const std::string&>();
    if (!is_plain_file_name(shard)) {
      fail("{}: weight_map: tensor {}: expected the name of a file in the same folder, found {}", where,
           printable(tensor), printable(shard));
    }
    files.index->emplace_hint(files.index->end(), tensor, shard);
    files.names.push_back(shard);
  }
  if (files.index->empty()) fail("{}: weight_map names no tensor", where);
  std::sort(files.names.begin(), files.names.end());
  files.names.erase(std::unique(files.names.begin(), files.names.end()), files.names.end());
}

/// Error that names the absent shards and how many tensors are in them.
void check_shards(const ModelFiles& files) {
  const std::vector<std::string> absent =
      those(files.names, [&](const std::string& name) { return !is_there(files.directory / name); });
  if (absent.empty()) return;
  const auto lost = std::count_if(files.index->begin(), files.index->end(), [&](const auto& entry) {
    return std::binary_search(absent.begin(), absent.end(), entry.second);
  });
  fail("{}: {} of {} shards missing: {}, with {} of {} tensors (incomplete download? fetch {} again)",
       (files.directory / files.index_name).string(), absent.size(), files.names.size(), listed(absent), lost,
       files.index->size(), absent.size() == 1 ? "it" : "them");
}

struct ShardName {
  std::string stem;
  int part = 0, parts = 0;
};

/// "model-00002-of-00003.safetensors"
std::optional<ShardName> parse_shard_name(std::string_view name, std::string_view extension = kTensors) {
  constexpr std::string_view kPattern = "-00000-of-00000";
  const size_t tail_size = kPattern.size() + extension.size();
  if (name.size() <= tail_size || !name.ends_with(extension)) return std::nullopt;
  const std::string_view tail = name.substr(name.size() - tail_size);
  ShardName shard{std::string(name.substr(0, name.size() - tail_size)), 0, 0};
  const auto number = [&](size_t at, int& value) {
    const auto [end, error] = std::from_chars(tail.data() + at, tail.data() + at + 5, value);
    return error == std::errc() && end == tail.data() + at + 5;
  };
  if (!number(1, shard.part) || !number(10, shard.parts) || tail.substr(6, 4) != "-of-" || tail[0] != '-') {
    return std::nullopt;
  }
  if (shard.part < 1 || shard.part > shard.parts) return std::nullopt;
  return shard;
}

/// Shards that lack their index file but are all there.
bool take_shards_without_index(ModelFiles& files, const std::vector<std::string>& names) {
  const auto shards = those(names, [](const std::string& name) { return parse_shard_name(name).has_value(); });
  if (shards.empty()) return false;
  const ShardName first = *parse_shard_name(shards[0]);
  const bool one_set = std::all_of(shards.begin(), shards.end(), [&](const std::string& name) {
    const ShardName shard = *parse_shard_name(name);
    return shard.stem == first.stem && shard.parts == first.parts;
  });
  if (!one_set) return false;
  if (static_cast<int>(shards.size()) != first.parts) {
    fail("{}: {} of {} shards of {} are there, and no index file (incomplete download? fetch the rest)",
         files.directory.string(), shards.size(), first.parts, printable(first.stem));
  }
  files.names = shards;
  files.notes.push_back("the shards have no index file; all of their tensors are taken");
  return true;
}

void take_gguf_file(ModelFiles& files, const std::string& name) {
  files.gguf = true;
  for (const fs::path& shard : gguf_shards(files.directory / name)) files.names.push_back(shard.filename().string());
}

/// The tensor files of a folder where none has a standard name.
void choose_other(ModelFiles& files, const std::vector<std::string>& tensor_files) {
  auto candidates = those(tensor_files, [](const std::string& name) { return name != kConsolidated; });
  if (candidates.empty()) candidates = {kConsolidated};
  if (take_shards_without_index(files, candidates)) return;
  if (candidates.size() > 1) {
    // GPTQ tools of 2023: gptq_model-4bit-128g.safetensors.
    const auto gptq = those(candidates, [](const std::string& name) { return name.starts_with("gptq_model-"); });
    if (gptq.size() == 1) candidates = gptq;
  }
  if (candidates.size() > 1) {
    fail("{}: {} .safetensors files, no index file and none called {}: {}; give the path of the one you mean",
         files.directory.string(), candidates.size(), kSingle, listed(candidates));
  }
  files.names = candidates;
}

/// A model under the standard name of pickles: then an odd .safetensors file beside it is something else.
bool holds_pickled_model(const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == "pytorch_model.bin" || name == "pytorch_model.bin.index.json";
  });
}

[[noreturn]] void refuse_without_tensors(const fs::path& directory, const std::vector<std::string>& names) {
  const auto pickles = those(names, [](const std::string& name) { return is_pickle(name); });
  const auto folders = those(names, [&](const std::string& name) { return is_folder(directory / name); });
  const std::string where = directory.string();
  if (!pickles.empty()) {
    fail("{}: no model in .safetensors files here, only {}: {}", where, listed(pickles), kPickleAdvice);
  }
  if (names.empty()) fail("{}: the folder is empty; expected .safetensors or .gguf files", where);
  if (!folders.empty()) {
    fail("{}: no .safetensors or .gguf file here; perhaps in one of its folders: {}", where, listed(folders));
  }
  fail("{}: no .safetensors or .gguf file here, only {}", where, listed(names));
}

/// The index file to follow, if any. A complete model.safetensors beside an index that leads elsewhere wins, as it does
/// in transformers; an index that spreads tensors over model.safetensors and more files is followed.
std::optional<std::string> choose_index(const fs::path& directory, const std::vector<std::string>& names) {
  const auto has = [&](const char* name) { return std::binary_search(names.begin(), names.end(), name); };
  if (has("model.safetensors.index.json")) return "model.safetensors.index.json";
  if (has(kSingle)) return std::nullopt;
  std::vector<std::string> indexes = those(names, [](const std::string& name) { return name.ends_with(kIndex); });
  if (indexes.size() > 1) std::erase(indexes, "consolidated.safetensors.index.json");
  if (indexes.size() > 1) {
    fail("{}: {} index files: {}; give the path of the one you mean", directory.string(), indexes.size(),
         listed(indexes));
  }
  if (indexes.empty()) return std::nullopt;
  return indexes[0];
}

/// The one model among the GGUF files of a folder without other tensor files; false when it has no GGUF file.
bool take_gguf(ModelFiles& files, const std::vector<std::string>& names) {
  // A multimodal model's projector lies in a file of its own, mmproj-*.gguf.
  const auto ggufs =
      those(names, [](const std::string& name) { return name.ends_with(kGguf) && !name.starts_with("mmproj"); });
  if (ggufs.empty()) return false;
  const auto stem = [](const std::string& name) {
    const auto shard = parse_shard_name(name, kGguf);
    return shard ? fmt::format("{} {}", shard->stem, shard->parts) : name;
  };
  if (!std::ranges::all_of(ggufs, [&](const std::string& name) { return stem(name) == stem(ggufs[0]); })) {
    fail("{}: {} GGUF files: {}; give the path of the one you mean", files.directory.string(), ggufs.size(),
         listed(ggufs));
  }
  take_gguf_file(files, ggufs[0]);
  return true;
}

void locate_in_directory(ModelFiles& files) {
  const std::vector<std::string> names = names_in(files.directory);
  const auto tensor_files = those(names, [](const std::string& name) { return name.ends_with(kTensors); });
  const bool single = std::binary_search(names.begin(), names.end(), kSingle);
  if (const auto index = choose_index(files.directory, names)) {
    read_index(files, *index);
    const bool spread = files.names.size() > 1 && std::binary_search(files.names.begin(), files.names.end(), kSingle);
    if (single && !spread) {
      if (files.names != std::vector<std::string>{kSingle}) {
        files.notes.push_back(fmt::format("{} leads to other files than {} and is ignored", *index, kSingle));
      }
      files.index.reset();
      files.names = {kSingle};
    } else {
      check_shards(files);
    }
  } else if (single) {
    files.names = {kSingle};
  } else if (tensor_files.empty() && take_gguf(files, names)) {
    return;
  } else if (tensor_files.empty() || holds_pickled_model(names)) {
    refuse_without_tensors(files.directory, names);
  } else {
    choose_other(files, tensor_files);
  }
  const auto strays = those(tensor_files, [&](const std::string& name) {
    return !std::binary_search(files.names.begin(), files.names.end(), name);
  });
  if (!strays.empty()) {
    files.notes.push_back(fmt::format("{} .safetensors {} not part of the model: {}", strays.size(),
                                      strays.size() == 1 ? "file is" : "files are", listed(strays)));
  }
  if (const auto ggufs = those(names, [](const std::string& name) { return name.ends_with(kGguf); }); !ggufs.empty()) {
    files.notes.push_back(
        fmt::format("the .safetensors of this folder are the model, not {}; name that file to have it", listed(ggufs)));
  }
}

}  // namespace

std::vector<fs::path> gguf_shards(const fs::path& path) {
  const auto shard = parse_shard_name(path.filename().string(), kGguf);
  if (!shard) return {path};
  std::vector<fs::path> shards;
  std::vector<std::string> absent;
  for (int part = 1; part <= shard->parts; ++part) {
    const std::string name = fmt::format("{}-{:05}-of-{:05}{}", shard->stem, part, shard->parts, kGguf);
    shards.push_back(path.parent_path() / name);
    if (!is_there(shards.back())) absent.push_back(name);
  }
  if (absent.empty()) return shards;
  fail("{}: {} of {} shards missing: {} (incomplete download? fetch {} again)", path.string(), absent.size(),
       shards.size(), listed(absent), absent.size() == 1 ? "it" : "them");
}

ModelFiles locate_model(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::none) fail("{}: cannot open: {}", path.string(), error.message());
  if (!fs::exists(status)) refuse_absent(path);
  ModelFiles files;
  if (fs::is_directory(status)) {
    files.directory = resolve_hub_cache(path);
    locate_in_directory(files);
    return files;
  }
  files.directory = path.parent_path().empty() ? "." : path.parent_path();
  const std::string name = path.filename().string();
  if (is_pickle(name)) fail("{}: {}", path.string(), kPickleAdvice);
  if (name.ends_with(kIndex)) {
    read_index(files, name);
    check_shards(files);
  } else if (name.ends_with(kTensors)) {
    files.names = {name};
  } else if (name.ends_with(kGguf)) {
    take_gguf_file(files, name);
  } else {
    fail("{}: expected a folder with a model, or a .safetensors or .gguf file", path.string());
  }
  return files;
}

}  // namespace assay
