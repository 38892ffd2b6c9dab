#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/dtype.h"

namespace assay {

/// A tensor that is yet to be written. `rows` of `row_bytes` each; produced some rows at a time.
struct PlainTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  int64_t rows = 0, row_bytes = 0;
  int64_t rows_at_once = 1;
  /// Fills in the bytes of rows [begin, end).
  std::function<void(int64_t begin, int64_t end, std::byte* out)> produce;

  uint64_t bytes() const { return static_cast<uint64_t>(rows) * static_cast<uint64_t>(row_bytes); }
};

/// Files of a new checkpoint folder, all under temporary names until commit() gives them their own: after a failure or
/// a full disk the folder is as it was. Throws Error.
class CheckpointWriter {
 public:
  explicit CheckpointWriter(std::filesystem::path folder);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// model.safetensors, or shards of at most `shard_bytes` (a larger tensor has one of its own) and their index.
  /// `progress` gets the fraction written; it may throw.
  void write_tensors(const std::vector<PlainTensor>& tensors, uint64_t shard_bytes,
                     const std::function<void(double)>& progress);
  void write_text(const std::string& name, const std::string& text);
  void copy(const std::filesystem::path& file);

  /// Renames in the order of writing, after removing the files of an older checkpoint.
  void commit();

  int files() const { return static_cast<int>(files_.size()); }

 private:
  class File;
  struct Named {
    std::filesystem::path part, name;
  };
  File create(const std::string& name);
  void write_shard(const std::string& name, const std::vector<const PlainTensor*>& tensors,
                   const std::function<void(uint64_t)>& progress);

  std::filesystem::path folder_;
  bool made_folder_ = false, committed_ = false;
  std::vector<Named> files_;
};

}  // namespace assay
