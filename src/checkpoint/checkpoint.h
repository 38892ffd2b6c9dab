#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/dtype.h"
#include "checkpoint/input_file.h"

namespace assay {

class GgufMetadata;
struct ModelFiles;

/// One stored tensor: where its bytes are. Validated on opening: the range lies inside its file, does not overlap
/// another tensor, and has exactly the bytes that dtype and shape need.
struct StoredTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  int file = 0;         // index into Checkpoint::files()
  uint64_t offset = 0;  // from the start of the file
  uint64_t bytes = 0;
  bool big_endian = false;  // stored so; reads turn it
  /// Where the converter of a GGUF file has moved rows (of a vector, elements): for each row, which stored row it is.
  std::shared_ptr<const std::vector<int64_t>> row_order = {};
  float addend = 0;  // to every stored value of a vector; a converter may have stored w + 1

  int64_t elements() const;
  /// "U8 [768, 128]", for messages.
  std::string describe() const;
};

/// An opened model: named byte ranges in one or more files, plus its JSON files. Opening reads headers only.
/// Reads are positioned, so a Checkpoint may be used from several threads, and never memory-mapped, so that a file
/// that shrinks or a disk fault is an Error and not a crash.
class Checkpoint {
 public:
  struct File {
    std::filesystem::path path;
    uint64_t bytes = 0;
    /// Free text of the file's writer ("format", torchao's descriptions of tensors, ...).
    std::map<std::string, std::string, std::less<>> metadata;
  };

  /// `path`: a directory (model.safetensors, or an index file with its shards, or a single other .safetensors file, or
  /// a single GGUF model), a hub snapshot or hub cache directory, one .safetensors or .gguf file (any shard of a split
  /// one), or an index file. Throws Error, also for directories that only hold pickles (.bin, .pt), saying how to
  /// convert.
  static Checkpoint open(const std::filesystem::path& path);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::filesystem::path& path() const { return path_; }
  const std::vector<File>& files() const { return files_; }
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }

  const StoredTensor* find(std::string_view name) const;
  /// Error names the tensor and the nearest names that exist.
  const StoredTensor& at(std::string_view name) const;

  /// Reads out.size() bytes from `offset` within the tensor. Error when the file has changed or cannot be read.
  void read(const StoredTensor& tensor, uint64_t offset, std::span<std::byte> out) const;
  std::vector<std::byte> read(const StoredTensor& tensor) const;

  /// The metadata of a GGUF model, all that such a model needs beside its tensors; null for other checkpoints.
  const std::shared_ptr<const GgufMetadata>& gguf() const { return gguf_; }

  /// config.json; an empty object when there is none.
  const Json& config() const { return *config_; }
  /// A JSON file beside the tensors (quantize_config.json, ...); null when it does not exist, and for GGUF models.
  std::optional<Json> json_file(const std::string& name) const;

  /// Bytes of all tensor files that belong to the model.
  uint64_t file_bytes() const;
  /// Things worth reporting: stray shards, index entries without use, ...
  const std::vector<std::string>& notes() const { return notes_; }

  /// Hash of everything that determines results: all bytes of the tensor files and of config.json and the quantization
  /// configs. Reads every byte once; `progress(done, total)` may be empty.
  std::string content_hash(const std::function<void(uint64_t, uint64_t)>& progress = {}) const;

 private:
  Checkpoint();
  void open_safetensors(const ModelFiles& files);
  void open_gguf(const ModelFiles& files);

  std::filesystem::path path_;
  std::filesystem::path directory_;  // of config.json
  std::vector<File> files_;
  std::vector<std::shared_ptr<const InputFile>> inputs_;  // by file
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::unique_ptr<Json> config_;
  std::shared_ptr<const GgufMetadata> gguf_;
  std::vector<std::string> notes_;
};

}  // namespace assay
