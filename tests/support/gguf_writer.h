#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "support/support.h"

namespace assay::test {

/// Builds a .gguf file in memory. Numbers are written in the byte order asked for; the bytes of tensors as they are
/// given.
class GgufWriter {
 public:
  explicit GgufWriter(uint32_t version = 3, bool big_endian = false) : big_endian_(big_endian), version_(version) {}

  GgufWriter& add(const std::string& key, const std::string& value) { return pair(key, 8, text(value)); }
  GgufWriter& add(const std::string& key, const char* value) { return add(key, std::string(value)); }
  template <class T>
  GgufWriter& add(const std::string& key, T value) {
    return pair(key, kind_of<T>(), number(value));
  }
  template <class T>
  GgufWriter& add(const std::string& key, const std::vector<T>& values) {
    return pair(key, 9, array(values));
  }
  /// A value as it lies in the file.
  GgufWriter& pair(const std::string& key, uint32_t kind, const std::string& value) {
    pairs_ += text(key) + number(kind) + value;
    ++pair_count_;
    return *this;
  }

  /// `shape` slowest first; `id` is the type's in the file.
  GgufWriter& tensor(const std::string& name, uint32_t id, const std::vector<uint64_t>& shape,
                     const std::string& bytes) {
    data_.resize((data_.size() + kAlignment - 1) / kAlignment * kAlignment, '\0');
    info(name, id, shape, data_.size());
    data_ += bytes;
    return *this;
  }
  GgufWriter& tensor(const std::string& name, const std::vector<uint64_t>& shape, const std::vector<float>& values) {
    std::string bytes;
    for (const float value : values) bytes += number(value);
    return tensor(name, 0, shape, bytes);
  }
  /// A tensor without its data.
  GgufWriter& info(const std::string& name, uint32_t id, const std::vector<uint64_t>& shape, uint64_t offset) {
    infos_ += text(name) + number(static_cast<uint32_t>(shape.size()));
    for (auto size = shape.rbegin(); size != shape.rend(); ++size) infos_ += number(*size);
    infos_ += number(id) + number(offset);
    ++tensor_count_;
    return *this;
  }

  /// What the header claims, in place of what was added.
  GgufWriter& claim(uint64_t tensors, uint64_t pairs) {
    tensor_count_ = tensors;
    pair_count_ = pairs;
    return *this;
  }

  std::string header() const {
    return "GGUF" + number(version_) + number(tensor_count_) + number(pair_count_) + pairs_ + infos_;
  }
  std::string bytes() const {
    std::string file = header();
    file.resize((file.size() + kAlignment - 1) / kAlignment * kAlignment, '\0');
    return file + data_;
  }
  void save(const std::filesystem::path& path) const { write_text(path, bytes()); }

  template <class T>
  std::string number(T value) const {
    std::string out(sizeof value, '\0');
    std::memcpy(out.data(), &value, sizeof value);
    if (big_endian_) std::reverse(out.begin(), out.end());
    return out;
  }
  std::string text(const std::string& value) const { return number(uint64_t{value.size()}) + value; }
  template <class T>
  std::string array(const std::vector<T>& values) const {
    std::string out = number(kind_of<T>()) + number(uint64_t{values.size()});
    for (const auto& value : values) {
      if constexpr (std::is_same_v<T, std::string>) {
        out += text(value);
      } else {
        out += number(static_cast<T>(value));
      }
    }
    return out;
  }

 private:
  static constexpr size_t kAlignment = 32;

  template <class T>
  static uint32_t kind_of() {
    if (std::is_same_v<T, std::string>) return 8;
    if (std::is_same_v<T, bool>) return 7;
    if (std::is_floating_point_v<T>) return sizeof(T) == 4 ? 6 : 12;
    const uint32_t base = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 2 : sizeof(T) == 4 ? 4 : 10;
    return base + std::is_signed_v<T>;
  }

  bool big_endian_;
  uint32_t version_;
  std::string pairs_, infos_, data_;
  uint64_t pair_count_ = 0, tensor_count_ = 0;
};

}  // namespace assay::test
