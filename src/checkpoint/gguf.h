#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/input_file.h"

namespace assay {

// A .gguf file, every number in the byte order that the version shows:
//   "GGUF"  u32 version (2, 3)  u64 tensors  u64 pairs
//   pairs   string key, u32 kind, value     string: u64 length, then its bytes; array: u32 kind, u64 count, elements
//   tensors string name, u32 rank, u64 dims[rank] (fastest first), u32 type, u64 offset
//   data    from the next multiple of `general.alignment` (32); offsets count from there and are multiples of it too

/// The key-value pairs of a GGUF file. Opening walks over them once and remembers where they are; values are read when
/// they are asked for, so that a vocabulary costs no memory until then. Messages name file, key and what was found.
/// May be used from several threads and lives as long as needed, apart from the Checkpoint that it came from.
class GgufMetadata {
 public:
  enum class Kind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

  /// Where a value lies in the file: a scalar, or the elements of an array.
  struct Value {
    Kind kind = Kind::u8;
    Kind element = Kind::u8;  ///< of an array
    uint64_t count = 1;       ///< of elements
    uint64_t offset = 0;      ///< of a string, its length; of an array, its first element
  };

  GgufMetadata(std::shared_ptr<const InputFile> file, bool big_endian, std::map<std::string, Value, std::less<>> values)
      : file_(std::move(file)), big_endian_(big_endian), values_(std::move(values)) {}

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const Value* find(std::string_view key) const;  // null when absent
  const std::map<std::string, Value, std::less<>>& values() const { return values_; }

  std::string string(std::string_view key) const;
  /// Any kind of integer.
  int64_t integer(std::string_view key) const;
  /// Any kind of number.
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;

  std::string string_or(std::string_view key, std::string otherwise) const;
  int64_t integer_or(std::string_view key, int64_t otherwise) const;
  double number_or(std::string_view key, double otherwise) const;
  bool boolean_or(std::string_view key, bool otherwise) const;

  /// Arrays; absent: empty, a scalar: one element.
  std::vector<std::string> strings(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<bool> booleans(std::string_view key) const;
  /// Number of elements of an array; absent: 0, a scalar: 1.
  uint64_t count(std::string_view key) const;

  /// A value of any kind, nested arrays too.
  Json json(std::string_view key) const;

  const std::filesystem::path& path() const { return file_->path(); }
  /// A message about one key, thrown as Error.
  [[noreturn]] void refuse(std::string_view key, const std::string& expected) const;

 private:
  const Value& at(std::string_view key) const;
  /// Of arrays no more than `most` elements.
  Json first(const Value& value, uint64_t most) const;
  template <class T, class Accept>
  std::vector<T> list(std::string_view key, const char* expected, Accept accept) const;

  std::shared_ptr<const InputFile> file_;
  bool big_endian_;
  std::map<std::string, Value, std::less<>> values_;
};

struct GgufHeader {
  uint32_t version = 0;
  bool big_endian = false;
  uint64_t alignment = 0;
  std::shared_ptr<const GgufMetadata> metadata;
  /// By their names in the file; shapes are slowest first, as everywhere else. StoredTensor::file stays 0.
  std::map<std::string, StoredTensor, std::less<>> tensors;
  std::vector<std::string> notes;  ///< without the name of the file
};

/// Reads and validates a header.
GgufHeader read_gguf(std::shared_ptr<const InputFile> file);
GgufHeader read_gguf(const std::filesystem::path& path);

}  // namespace assay
