#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace assay {

/// SHA-256 of a stream of bytes; results are lower-case hexadecimal.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(const void* data, size_t bytes);
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);
/// Of the ids as little-endian int32, as the goldens and the result schema define it.
std::string sha256(std::span<const int32_t> ids);

/// Fast 128-bit content hash (XXH3), for cache keys; not cryptographic.
class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  void update(const void* data, size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay
