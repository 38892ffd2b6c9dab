#include "cli/cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "cli/atomic_file.h"
#include "report/json.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

/// Raised whenever the same files and tokens would give other numbers than before.
constexpr int kResultVersion = 2;

/// File systems keep times in steps of up to two seconds: a younger file could change again unseen.
constexpr int64_t kSettled = 2'000'000'000;

struct FileState {
  std::string text;
  int64_t changed_ns = 0;
};

FileState state_of(const fs::path& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  const auto ns = [](const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  const int64_t modified = ns(s.st_mtim), changed = ns(s.st_ctim);
  return {
      fmt::format("{} {} {} {} {}:{}\n", fs::absolute(path).string(), s.st_size, modified, changed, s.st_dev, s.st_ino),
      std::max(modified, changed)};
}

/// The tensor files, and every JSON file beside them: which of those decide is the checkpoint's business.
std::vector<fs::path> files_of(const Checkpoint& checkpoint) {
  std::vector<fs::path> files;
  std::vector<fs::path> folders;
  if (fs::is_directory(checkpoint.path())) folders.push_back(checkpoint.path());
  for (const Checkpoint::File& file : checkpoint.files()) {
    files.push_back(file.path);
    folders.push_back(file.path.parent_path());
  }
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder.empty() ? "." : folder, error))
      if (entry.path().extension() == ".json" && entry.is_regular_file(error)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

FileState state_of(const Checkpoint& checkpoint) {
  FileState all;
  for (const fs::path& path : files_of(checkpoint)) {
    const FileState one = state_of(path);
    all.text += one.text;
    all.changed_ns = std::max(all.changed_ns, one.changed_ns);
  }
  return all;
}

int64_t now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

std::string CacheKey::text() const {
  return fmt::format(
      "assay result {}\nmodel {}\ntokens {}\nwindows {} x {}, length {}, stride {}, offset {}, first {}, vocabulary "
      "{}\n"
      "device {}\nprecision {}\nactivations {}\nkv cache {}\nnoise {}\nreference {}\n",
      kResultVersion, content, tokens_sha256, windows.rows, windows.count, windows.length, windows.stride,
      windows.offset, first, vocabulary, device, precision, activations, kv_cache, noise,
      reference.empty() ? "none" : sha256(reference));
}

fs::path Cache::path_of(const char* kind, const std::string& key) const {
  return folder_ / kind / (sha256(key).substr(0, 40) + ".json");
}

std::optional<Json> Cache::read_entry(const fs::path& path, const std::string& key) {
  std::error_code error;
  if (!enabled() || !fs::exists(path, error)) return std::nullopt;
  try {
    const Json json = read_json(path);
    const JsonObject entry(json, path.string());
    const Json& value = entry.object("value").json();
    if (entry.string("key") != key) fail("{}: holds another key", path.string());
    if (entry.string("sha256") != sha256(value.dump())) fail("{}: checksum differs", path.string());
    return value;
  } catch (const Error& e) {
    console_.note(fmt::format("damaged cache entry, made anew: {}", e.what()));
    return std::nullopt;
  }
}

void Cache::write_entry(const fs::path& path, const std::string& key, Json value) {
  if (!enabled()) return;
  try {
    fs::create_directories(path.parent_path());
    const std::string checksum = sha256(value.dump());
    const Json entry = {{"key", key}, {"sha256", checksum}, {"value", std::move(value)}};
    write_atomically(path, entry.dump(1) + "\n");
  } catch (const std::exception& e) {
    console_.note(fmt::format("going on without a cache: {}", e.what()));
    folder_.clear();
  }
}

std::optional<Measurement> Cache::find(const CacheKey& key) {
  const std::optional<Json> value = read_entry(path_of("results", key.text()), key.text());
  if (!value) return std::nullopt;
  return measurement_from_json(JsonObject(*value, folder_.string()));
}

void Cache::store(const CacheKey& key, const Measurement& measurement) {
  write_entry(path_of("results", key.text()), key.text(), measurement_to_json(measurement));
}

void Cache::forget(const CacheKey& key) {
  std::error_code ignored;
  fs::remove(path_of("results", key.text()), ignored);
}

std::string Cache::content_hash(const Checkpoint& checkpoint, const std::function<void(uint64_t, uint64_t)>& progress) {
  const FileState before = state_of(checkpoint);
  const fs::path path = path_of("hashes", before.text);
  if (const std::optional<Json> known = read_entry(path, before.text)) return known->at("content").get<std::string>();
  const std::string hash = checkpoint.content_hash(progress);
  const bool settled = now_ns() - before.changed_ns > kSettled;
  if (settled && state_of(checkpoint).text == before.text) write_entry(path, before.text, {{"content", hash}});
  return hash;
}

}  // namespace assay
