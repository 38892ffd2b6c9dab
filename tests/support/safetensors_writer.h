#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/dtype.h"
#include "support/support.h"

namespace assay::test {

/// Builds a .safetensors file in memory: `writer.add<uint8_t>("x.codes", DType::U8, {2, 4}, bytes)`.
class SafetensorsWriter {
 public:
  /// The values are stored as they are: T is as wide as the dtype (uint16_t for BF16 and F16).
  template <class T>
  SafetensorsWriter& add(const std::string& name, DType dtype, const std::vector<int64_t>& shape,
                         const std::vector<T>& values) {
    int64_t elements = 1;
    for (int64_t size : shape) elements *= size;
    ASSAY_CHECK(elements == static_cast<int64_t>(values.size()) && bits_of(dtype) == 8 * int{sizeof(T)});
    std::string sizes;
    for (int64_t size : shape) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    const size_t begin = data_.size(), bytes = values.size() * sizeof(T);
    data_.append(reinterpret_cast<const char*>(values.data()), bytes);
    header_ += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                           header_.empty() ? "" : ",", name, name_of(dtype), sizes, begin, begin + bytes);
    return *this;
  }

  /// The same value everywhere.
  template <class T>
  SafetensorsWriter& fill(const std::string& name, DType dtype, const std::vector<int64_t>& shape, T value) {
    int64_t elements = 1;
    for (int64_t size : shape) elements *= size;
    return add(name, dtype, shape, std::vector<T>(elements, value));
  }

  /// An entry of "__metadata__".
  SafetensorsWriter& describe(const std::string& name, const std::string& text) {
    std::string escaped;
    for (char c : text) escaped += c == '"' ? "\\\"" : std::string(1, c);
    metadata_ += fmt::format("{}\"{}\":\"{}\"", metadata_.empty() ? "" : ",", name, escaped);
    return *this;
  }

  std::string bytes() const {
    std::string header = "{" + header_ + "}";
    if (!metadata_.empty()) header = fmt::format("{{\"__metadata__\":{{{}}},{}}}", metadata_, header_);
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const uint64_t length = header.size();
    std::string file(sizeof length, '\0');
    std::memcpy(file.data(), &length, sizeof length);
    return file + header + data_;
  }

  void save(const std::filesystem::path& path) const { write_text(path, bytes()); }

 private:
  std::string header_;
  std::string metadata_;
  std::string data_;
};

/// The upper half of a float: exact for small integers and powers of two.
inline uint16_t bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

}  // namespace assay::test
