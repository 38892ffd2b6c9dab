#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "checkpoint/input_file.h"

namespace assay {

/// Reads a GGUF header front to back. Each take() is checked against the end of the file first; `what` names in
/// messages what was being read.
class GgufCursor {
 public:
  explicit GgufCursor(const InputFile& file, uint64_t position = 0, bool big_endian = false)
      : file_(file), position_(position), big_endian_(big_endian) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return file_.bytes() - position_; }
  void set_big_endian() { big_endian_ = true; }

  template <class T>
  T take(const std::string& what) {
    static_assert(std::is_arithmetic_v<T>);
    std::array<std::byte, sizeof(T)> bytes;
    take(bytes, what);
    if (big_endian_) std::reverse(bytes.begin(), bytes.end());
    return std::bit_cast<T>(bytes);
  }

  std::string take_string(const std::string& what, uint64_t most) {
    const uint64_t length = take_length(what, most);
    std::string text(length, '\0');
    take(std::as_writable_bytes(std::span(text)), what);
    return text;
  }

  void skip(uint64_t bytes, const std::string& what) {
    need(bytes, what);
    position_ += bytes;
  }
  void skip_string(const std::string& what, uint64_t most) { skip(take_length(what, most), what); }

  /// Refuses unless `count` things of at least `least` bytes each can follow.
  void need_each(uint64_t count, uint64_t least, const std::string& what) const {
    if (count <= left() / least) return;
    fail("{}: {}: the header says {}, but only {} bytes of the file follow (damaged, or an incomplete download)",
         where(), what, count, left());
  }

  std::string where() const { return file_.path().string(); }

 private:
  void need(uint64_t bytes, const std::string& what) const {
    if (bytes <= left()) return;
    fail(
        "{}: {}: {} bytes should follow at byte {}, but the file ends {} bytes after it (damaged, or an incomplete "
        "download? fetch it again)",
        where(), what, bytes, position_, left());
  }

  uint64_t take_length(const std::string& what, uint64_t most) {
    const auto length = take<uint64_t>(what);
    need(length, what);
    if (length > most) fail("{}: {}: a string of {} bytes; at most {} are allowed", where(), what, length, most);
    return length;
  }

  void take(std::span<std::byte> out, const std::string& what) {
    need(out.size(), what);
    if (out.size() > window_.size()) {
      file_.read(position_, out);
    } else {
      if (position_ < window_begin_ || position_ + out.size() > window_end_) {
        window_begin_ = position_;
        window_end_ = position_ + std::min<uint64_t>(window_.size(), left());
        file_.read(position_, std::span(window_).first(window_end_ - window_begin_));
      }
      std::memcpy(out.data(), window_.data() + (position_ - window_begin_), out.size());
    }
    position_ += out.size();
  }

  const InputFile& file_;
  uint64_t position_;
  bool big_endian_;
  uint64_t window_begin_ = 0, window_end_ = 0;
  std::array<std::byte, 1 << 14> window_;
};

}  // namespace assay
