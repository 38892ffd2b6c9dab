#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "checkpoint/ranges.h"

namespace assay {

namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the format's own library
constexpr size_t kMaxRank = 16;
constexpr int kMaxIgnoredDepth = 100;

/// Receives the header's JSON as events, so that a duplicate name is seen and nothing but tensors is kept.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(uint64_t data_begin, uint64_t file_bytes, const std::string& where)
      : data_begin_(data_begin), data_bytes_(file_bytes - data_begin), where_(where) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { return other("null"); }
  bool boolean(bool value) override { return other(value ? "true" : "false"); }
  bool number_float(double, const std::string& text) override { return other(text); }
  bool binary(Json::binary_t&) override { return other("binary data"); }
  bool number_integer(int64_t value) override { return other(std::to_string(value)); }
  bool number_unsigned(uint64_t value) override;
  bool string(std::string& value) override;
  bool start_object(size_t) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool key(std::string& key) override;
  bool parse_error(size_t position, const std::string&, const Json::exception& e) override;

 private:
  enum class Place { kStart, kNames, kMetadata, kTensor, kShape, kOffsets };
  enum class Field { kDType, kShape, kOffsets, kUnknown };

  bool ignored() const {
    return ignored_depth_ > 0 || place_ == Place::kMetadata || (place_ == Place::kTensor && field_ == Field::kUnknown);
  }
  bool ignore_nested();
  bool other(std::string_view found);
  [[noreturn]] void refuse(std::string_view found) const;
  void finish_tensor();
  uint64_t bytes_needed() const;
  template <class... Args>
  [[noreturn]] void fail_tensor(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: tensor {}: {}", where_, printable(name_), fmt::format(format, std::forward<Args>(args)...));
  }

  const uint64_t data_begin_;
  const uint64_t data_bytes_;
  const std::string& where_;
  SafetensorsHeader header_;

  Place place_ = Place::kStart;
  int ignored_depth_ = 0;
  std::string name_;  // of the tensor or metadata entry that is being read
  std::string metadata_key_;
  Field field_ = Field::kUnknown;
  bool seen_[3] = {};  // by Field
  std::optional<DType> dtype_;
  std::vector<int64_t> shape_;
  std::vector<uint64_t> offsets_;
};

bool HeaderReader::key(std::string& key) {
  if (ignored_depth_ > 0) return true;
  if (place_ == Place::kNames) {
    name_ = std::move(key);
  } else if (place_ == Place::kMetadata) {
    metadata_key_ = std::move(key);
  } else {
    field_ = key == "dtype"          ? Field::kDType
             : key == "shape"        ? Field::kShape
             : key == "data_offsets" ? Field::kOffsets
                                     : Field::kUnknown;
    if (field_ == Field::kUnknown) return true;
    if (std::exchange(seen_[static_cast<int>(field_)], true)) fail_tensor("key \"{}\" appears twice", key);
  }
  return true;
}

bool HeaderReader::string(std::string& value) {
  if (ignored_depth_ == 0 && place_ == Place::kMetadata) {
    header_.metadata.insert_or_assign(std::move(metadata_key_), std::move(value));
  } else if (!ignored() && place_ == Place::kTensor && field_ == Field::kDType) {
    dtype_ = dtype_of(value);
    if (!dtype_) fail_tensor("unknown dtype {}", printable(value));
  } else {
    return other(value);
  }
  return true;
}

bool HeaderReader::number_unsigned(uint64_t value) {
  if (!ignored() && place_ == Place::kShape) {
    if (value > uint64_t{INT64_MAX}) fail_tensor("dimension {} is beyond 2^63", value);
    if (shape_.size() == kMaxRank) fail_tensor("more than {} dimensions", kMaxRank);
    shape_.push_back(static_cast<int64_t>(value));
  } else if (!ignored() && place_ == Place::kOffsets) {
    if (offsets_.size() == 2) fail_tensor("data_offsets: expected [begin, end], found more than two numbers");
    offsets_.push_back(value);
  } else {
    return other(std::to_string(value));
  }
  return true;
}

bool HeaderReader::start_object(size_t) {
  if (ignored()) return ignore_nested();
  if (place_ == Place::kStart) {
    place_ = Place::kNames;
  } else if (place_ == Place::kNames && name_ == "__metadata__") {
    place_ = Place::kMetadata;
  } else if (place_ == Place::kNames) {
    place_ = Place::kTensor;
    field_ = Field::kUnknown;
    std::fill(std::begin(seen_), std::end(seen_), false);
    shape_.clear();
    offsets_.clear();
  } else {
    refuse("an object");
  }
  return true;
}

bool HeaderReader::end_object() {
  if (ignored_depth_ > 0) {
    --ignored_depth_;
    return true;
  }
  if (place_ == Place::kTensor) finish_tensor();
  place_ = Place::kNames;
  return true;
}

bool HeaderReader::start_array(size_t) {
  if (ignored()) return ignore_nested();
  if (place_ == Place::kTensor && field_ == Field::kShape) {
    place_ = Place::kShape;
  } else if (place_ == Place::kTensor && field_ == Field::kOffsets) {
    place_ = Place::kOffsets;
  } else {
    refuse("a list");
  }
  return true;
}

bool HeaderReader::end_array() {
  if (ignored_depth_ > 0) {
    --ignored_depth_;
  } else {
    place_ = Place::kTensor;
  }
  return true;
}

bool HeaderReader::ignore_nested() {
  if (++ignored_depth_ > kMaxIgnoredDepth) fail_tensor("JSON nested deeper than {} levels", kMaxIgnoredDepth);
  return true;
}

bool HeaderReader::other(std::string_view found) {
  if (!ignored() && !(place_ == Place::kNames && name_ == "__metadata__" && found == "null")) refuse(found);
  return true;
}

void HeaderReader::refuse(std::string_view found) const {
  switch (place_) {
    case Place::kStart:
      fail("{}: expected the header to be a JSON object, found {}", where_, printable(found));
    case Place::kNames:
    case Place::kMetadata:
      fail_tensor("expected an object, found {}", printable(found));
    case Place::kShape:
      fail_tensor("shape: expected non-negative integers, found {}", printable(found));
    case Place::kOffsets:
      fail_tensor("data_offsets: expected two non-negative integers, found {}", printable(found));
    case Place::kTensor:
      break;
  }
  if (field_ == Field::kDType) fail_tensor("dtype: expected a string, found {}", printable(found));
  fail_tensor("{}: expected a list of integers, found {}", field_ == Field::kShape ? "shape" : "data_offsets",
              printable(found));
}

bool HeaderReader::parse_error(size_t position, const std::string&, const Json::exception& e) {
  // "[json.exception...] parse error at ...: reason; last read: token", and the token may be megabytes of raw bytes.
  std::string_view reason = e.what();
  if (const auto bracket = reason.find("] "); bracket != std::string_view::npos) reason.remove_prefix(bracket + 2);
  reason = reason.substr(0, std::min(reason.find("; last read"), size_t{200}));
  fail("{}: the header is not valid JSON at byte {} of the file: {}", where_, kLengthBytes + position, reason);
}

uint64_t HeaderReader::bytes_needed() const {
  if (std::find(shape_.begin(), shape_.end(), 0) != shape_.end()) return 0;
  int64_t elements = 1;
  uint64_t bits = 0;
  bool overflow = false;
  for (const int64_t size : shape_) overflow |= __builtin_mul_overflow(elements, size, &elements);
  overflow |= __builtin_mul_overflow(static_cast<uint64_t>(elements), bits_of(*dtype_), &bits);
  if (overflow) fail_tensor("shape [{}] has more elements than any file could hold", fmt::join(shape_, ", "));
  if (bits % 8 != 0) {
    fail_tensor("{} [{}] does not fill whole bytes ({} bits)", name_of(*dtype_), fmt::join(shape_, ", "), bits);
  }
  return bits / 8;
}

void HeaderReader::finish_tensor() {
  constexpr const char* kKeys[] = {"dtype", "shape", "data_offsets"};
  for (int i = 0; i < 3; ++i) {
    if (!seen_[i]) fail_tensor("key \"{}\" is missing", kKeys[i]);
  }
  if (offsets_.size() != 2) fail_tensor("data_offsets: expected [begin, end], found {} numbers", offsets_.size());
  const uint64_t begin = offsets_[0], end = offsets_[1];
  if (begin > end) fail_tensor("data_offsets [{}, {}] end before they begin", begin, end);
  if (end > data_bytes_) {
    fail_tensor(
        "its data ends at byte {} of the data section, which has only {} bytes: the file is shorter than its header "
        "says (incomplete download? fetch it again)",
        end, data_bytes_);
  }
  const uint64_t needed = bytes_needed();
  if (end - begin != needed) {
    fail_tensor("{} [{}] needs {} bytes, but its data_offsets [{}, {}] hold {}", name_of(*dtype_),
                fmt::join(shape_, ", "), needed, begin, end, end - begin);
  }
  StoredTensor tensor{name_, *dtype_, shape_, 0, data_begin_ + begin, needed};
  if (!header_.tensors.emplace(name_, std::move(tensor)).second) fail_tensor("the name appears twice in the header");
}

/// What other kinds of file begin with, and what to say about them.
void refuse_other_kinds(std::string_view start, const std::string& where) {
  const auto begins = [&](std::string_view magic) { return start.substr(0, magic.size()) == magic; };
  if (begins("version ")) fail("{}: this is a git-lfs pointer, not the file itself; run `git lfs pull`", where);
  if (begins("GGUF")) fail("{}: this is a GGUF file; give it the extension .gguf", where);
  if (begins("PK\x03\x04")) fail("{}: this is a zip archive (a pickled PyTorch file?), not safetensors", where);
  if (begins("<!") || begins("<html")) fail("{}: this is a web page, not a model (failed download?)", where);
}

}  // namespace

SafetensorsHeader parse_safetensors(std::string_view text, uint64_t file_bytes, const std::string& where) {
  const uint64_t data_begin = kLengthBytes + text.size();
  ASSAY_CHECK(data_begin <= file_bytes);
  // The JSON library would take a zero byte for the end of the text.
  if (text.find('\0') != std::string_view::npos) fail("{}: the header contains a zero byte", where);
  HeaderReader reader(data_begin, file_bytes, where);
  Json::sax_parse(text.begin(), text.end(), &reader);
  SafetensorsHeader header = reader.take();
  const uint64_t unused = check_ranges(header.tensors, file_bytes - data_begin, where);
  if (unused > 0) header.notes.push_back(fmt::format("{} bytes belong to no tensor", unused));
  return header;
}

SafetensorsHeader read_safetensors(const InputFile& file) {
  const std::string where = file.path().string();
  if (file.bytes() < kLengthBytes)
    fail("{}: only {} bytes long, too short for a safetensors file", where, file.bytes());
  char start[kLengthBytes];
  file.read(0, std::as_writable_bytes(std::span(start)));
  refuse_other_kinds({start, kLengthBytes}, where);

  uint64_t length = 0;
  std::memcpy(&length, start, kLengthBytes);
  if (length > kMaxHeader) {
    fail("{}: not a safetensors file: its first 8 bytes give a header of {} bytes; at most {} are allowed", where,
         length, kMaxHeader);
  }
  if (length > file.bytes() - kLengthBytes) {
    fail("{}: the header should be {} bytes long, but only {} follow (incomplete download? fetch it again)", where,
         length, file.bytes() - kLengthBytes);
  }
  std::string text(length, '\0');
  file.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
  return parse_safetensors(text, file.bytes(), where);
}

}  // namespace assay
