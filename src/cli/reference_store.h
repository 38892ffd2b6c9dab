#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "cli/console.h"
#include "forward/reference.h"

namespace assay {

/// References of this run and of earlier ones: one folder each, found by the key of the run that made it. Whatever is
/// damaged or half-written is reported, removed and made anew. Beyond a size, the references that were not used for
/// longest are removed.
class ReferenceStore {
 public:
  /// An empty folder: references are kept for this run only, in a temporary folder that goes with this object.
  ReferenceStore(std::filesystem::path folder, uint64_t max_bytes, Console& console);
  ~ReferenceStore();
  ReferenceStore(const ReferenceStore&) = delete;
  ReferenceStore& operator=(const ReferenceStore&) = delete;

  std::optional<Reference> find(const std::string& key);
  /// `progress` gets the fraction written. Where the folder cannot take it, it is kept for this run only. Error when
  /// there is no room at all.
  Reference keep(const std::string& key, const Reference::Content& content,
                 const std::function<void(double)>& progress);
  void forget(const std::string& key);

 private:
  Reference write(const std::filesystem::path& path, const std::string& key, const Reference::Content& content,
                  const std::function<void(double)>& progress);
  std::filesystem::path path_of(const std::string& key) const;
  void make_room(const std::filesystem::path& newest);

  std::filesystem::path folder_;
  uint64_t max_bytes_;
  std::filesystem::path temporary_;  ///< of references that the folder does not take; empty = none
  Console& console_;
};

}  // namespace assay
