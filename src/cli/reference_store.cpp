#include "cli/reference_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "cli/atomic_file.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

/// Stands beside the tensors once they are complete: {"key": ..., "content": hash of the folder's checkpoint}.
constexpr const char* kSeal = "complete.json";

fs::path temporary_folder() {
  std::string name = (fs::temp_directory_path() / "assay-reference-XXXXXX").string();
  if (!mkdtemp(name.data())) fail("{}: cannot make a temporary folder: {}", name, std::strerror(errno));
  return name;
}

uint64_t bytes_of(const fs::path& folder) {
  uint64_t total = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_regular_file(error)) total += entry.file_size(error);
  return total;
}

}  // namespace

ReferenceStore::ReferenceStore(fs::path folder, uint64_t max_bytes, Console& console)
    : folder_(std::move(folder)), max_bytes_(max_bytes), console_(console) {}

ReferenceStore::~ReferenceStore() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

fs::path ReferenceStore::path_of(const std::string& key) const {
  return folder_ / sha256(key).substr(0, 40);
}

std::optional<Reference> ReferenceStore::find(const std::string& key) {
  std::error_code error;
  const fs::path path = path_of(key);
  if (folder_.empty() || !fs::exists(path, error)) return std::nullopt;
  try {
    const Json json = read_json(path / kSeal);
    const JsonObject seal(json, (path / kSeal).string());
    if (seal.string("key") != key) fail("{}: belongs to another run", path.string());
    Reference reference = Reference::open(path);
    if (reference.content_hash() != seal.string("content")) fail("{}: checksum differs", path.string());
    fs::last_write_time(path / kSeal, fs::file_time_type::clock::now(), error);
    return reference;
  } catch (const Error& e) {
    console_.note(fmt::format("damaged reference, made anew: {}", e.what()));
    fs::remove_all(path, error);
    return std::nullopt;
  }
}

Reference ReferenceStore::keep(const std::string& key, const Reference::Content& content,
                               const std::function<void(double)>& progress) {
  if (!folder_.empty()) {
    try {
      return write(path_of(key), key, content, progress);
    } catch (const Error& e) {
      console_.note(fmt::format("the reference is kept for this run only: {}", e.what()));
    }
  }
  if (temporary_.empty()) temporary_ = temporary_folder();
  Reference::write(temporary_ / "reference", content, progress);
  return Reference::open(temporary_ / "reference");
}

Reference ReferenceStore::write(const fs::path& path, const std::string& key, const Reference::Content& content,
                                const std::function<void(double)>& progress) {
  std::error_code error;
  fs::remove_all(path, error);
  Reference::write(path, content, progress);
  Reference reference = Reference::open(path);
  const Json seal = {{"key", key}, {"content", reference.content_hash()}};
  write_atomically(path / kSeal, seal.dump(1) + "\n");
  make_room(path);
  return reference;
}

void ReferenceStore::forget(const std::string& key) {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(path_of(key), ignored);
}

void ReferenceStore::make_room(const fs::path& newest) {
  struct Entry {
    fs::path path;
    fs::file_time_type used;
    uint64_t bytes;
  };
  std::vector<Entry> others;
  uint64_t total = bytes_of(newest);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path() == newest || !entry.is_directory(error)) continue;
    const auto used = fs::last_write_time(entry.path() / kSeal, error);
    if (error) continue;  // another process may be writing it
    others.push_back({entry.path(), used, bytes_of(entry.path())});
    total += others.back().bytes;
  }
  std::sort(others.begin(), others.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : others) {
    if (total <= max_bytes_) break;
    fs::remove_all(entry.path, error);
    total -= entry.bytes;
    console_.note(fmt::format("removed an old reference, {:.1f} MB", static_cast<double>(entry.bytes) / 1e6));
  }
}

}  // namespace assay
