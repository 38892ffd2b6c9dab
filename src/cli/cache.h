#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/console.h"
#include "report/result.h"
#include "stats/windows.h"

namespace assay {

/// Everything that a measurement depends on.
struct CacheKey {
  std::string content;        ///< Checkpoint::content_hash
  std::string tokens_sha256;  ///< of all rows
  Windows windows;
  int64_t first = 0;       ///< first scored position of a row
  int64_t vocabulary = 0;  ///< ids whose logits count, 0 = all
  std::string device, precision, activations, kv_cache;
  std::string reference;  ///< key of the run that it was compared with; empty = none
  double noise = 0;

  std::string text() const;
};

/// Finished measurements, one file each, and content hashes of checkpoints whose files have not changed since.
/// A damaged entry is reported and made anew. A folder that cannot be written is reported once and then done without.
class Cache {
 public:
  /// An empty folder: nothing is ever found or kept.
  Cache(std::filesystem::path folder, Console& console) : folder_(std::move(folder)), console_(console) {}

  bool enabled() const { return !folder_.empty(); }

  std::optional<Measurement> find(const CacheKey& key);
  void store(const CacheKey& key, const Measurement& measurement);
  void forget(const CacheKey& key);

  /// Checkpoint::content_hash, remembered by path, size, times and inode of every file that takes part.
  std::string content_hash(const Checkpoint& checkpoint, const std::function<void(uint64_t, uint64_t)>& progress);

 private:
  std::optional<Json> read_entry(const std::filesystem::path& path, const std::string& key);
  void write_entry(const std::filesystem::path& path, const std::string& key, Json value);
  std::filesystem::path path_of(const char* kind, const std::string& key) const;

  std::filesystem::path folder_;
  Console& console_;
};

}  // namespace assay
