#include "checkpoint/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/gguf_cursor.h"
#include "checkpoint/printable.h"
#include "checkpoint/ranges.h"

namespace assay {

namespace {

using Kind = GgufMetadata::Kind;

constexpr uint64_t kMaxName = 65535;
constexpr uint32_t kMaxRank = 4;
constexpr int kMaxNesting = 8;
/// Elements of an array that have to be walked over one by one; the largest vocabularies have 2^18.
constexpr uint64_t kMaxWalked = uint64_t{1} << 26;
constexpr uint64_t kMaxString = uint64_t{256} << 20;  // a chat template has some 100 KB
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
/// Least bytes of a pair (empty key, a byte) and of a tensor (empty name, no dimensions).
constexpr uint64_t kLeastPair = 8 + 4 + 1;
constexpr uint64_t kLeastTensor = 8 + 4 + 4 + 8;

/// Tensor types that are known but not read: removed ones, those of activations, those of ik_llama.cpp.
constexpr std::pair<uint32_t, const char*> kRefusedTypes[] = {
    {4, "Q4_2, which llama.cpp has removed"},
    {5, "Q4_3, which llama.cpp has removed"},
    {9, "Q8_1, a type of activations"},
    {15, "Q8_K, a type of activations"},
    {31, "Q4_0_4_4, which llama.cpp has removed"},
    {32, "Q4_0_4_8, which llama.cpp has removed"},
    {33, "Q4_0_8_8, which llama.cpp has removed"},
    {36, "I2_S of BitNet, or IQ4_NL_4_4, which llama.cpp has removed"},
    {37, "IQ4_NL_4_8, which llama.cpp has removed"},
    {38, "IQ4_NL_8_8, which llama.cpp has removed"},
    {133, "Q6_0 of ik_llama.cpp"},
    {134, "IQ1_BN of ik_llama.cpp"},
    {135, "IQ2_BN of ik_llama.cpp"},
    {137, "IQ2_K of ik_llama.cpp"},
    {138, "IQ3_K of ik_llama.cpp"},
    {139, "IQ4_K of ik_llama.cpp"},
    {140, "IQ5_K of ik_llama.cpp"},
    {141, "IQ6_K of ik_llama.cpp"},
    {142, "IQ2_TN of ik_llama.cpp"},
    {143, "IQ1_TN of ik_llama.cpp"},
    {144, "IQ4_KS of ik_llama.cpp"},
    {145, "IQ2_KS of ik_llama.cpp"},
    {146, "IQ4_KSS of ik_llama.cpp"},
    {152, "IQ5_KS of ik_llama.cpp"},
    {153, "IQ2_KT of ik_llama.cpp"},
    {154, "IQ3_KT of ik_llama.cpp"},
    {155, "IQ4_KT of ik_llama.cpp"},
    {156, "IQ3_KS of ik_llama.cpp"},
    {157, "IQ2_KL of ik_llama.cpp"},
    {158, "IQ1_KT of ik_llama.cpp"},
};
/// Further ids of ik_llama.cpp: working formats, and repacked ones (_R4, _R8, _R16) from 200 on.
bool is_private_id(uint32_t id) {
  return (id >= 97 && id <= 99) || (id >= 133 && id <= 158) || (id >= 200 && id < 400);
}

std::string refused_type(uint32_t id) {
  for (const auto& [refused, what] : kRefusedTypes) {
    if (refused == id) return fmt::format("{} is {}", id, what);
  }
  return fmt::format("{} is {}", id, is_private_id(id) ? "one of ik_llama.cpp's own" : "unknown");
}

/// Bytes of a value of fixed size; 0 for strings and arrays.
uint64_t width_of(Kind kind) {
  switch (kind) {
    case Kind::u8:
    case Kind::i8:
    case Kind::boolean:
      return 1;
    case Kind::u16:
    case Kind::i16:
      return 2;
    case Kind::u32:
    case Kind::i32:
    case Kind::f32:
      return 4;
    case Kind::u64:
    case Kind::i64:
    case Kind::f64:
      return 8;
    case Kind::string:
    case Kind::array:
      return 0;
  }
  return 0;
}

class HeaderReader {
 public:
  explicit HeaderReader(std::shared_ptr<const InputFile> file) : file_(std::move(file)), cursor_(*file_) {}

  GgufHeader read() {
    read_start();
    read_pairs();
    read_alignment();
    read_tensors();
    return std::move(header_);
  }

 private:
  void read_start() {
    if (file_->bytes() < 8) fail("{}: only {} bytes long, too short for a GGUF file", where(), file_->bytes());
    char magic[4];
    for (char& c : magic) c = cursor_.take<char>("the magic number");
    if (std::string_view(magic, 4) != "GGUF") {
      fail("{}: not a GGUF file: it begins with {}", where(), printable({magic, 4}));
    }
    header_.version = cursor_.take<uint32_t>("the version");
    // Nothing else tells the byte order; no version is ever so large.
    if ((header_.version & 0xFFFF) == 0 && header_.version != 0) {
      header_.big_endian = true;
      header_.version = __builtin_bswap32(header_.version);
      cursor_.set_big_endian();
    }
    if (header_.version != 2 && header_.version != 3) {
      fail("{}: GGUF version {} is not supported; expected 2 or 3{}", where(), header_.version,
           header_.version == 1 ? " (convert the model again with a llama.cpp of today)" : "");
    }
    tensors_ = cursor_.take<uint64_t>("the number of tensors");
    pairs_ = cursor_.take<uint64_t>("the number of metadata pairs");
    cursor_.need_each(pairs_, kLeastPair, "number of metadata pairs");
    cursor_.need_each(tensors_, kLeastTensor, "number of tensors");
  }

  Kind take_kind(const std::string& what) {
    const auto kind = cursor_.take<uint32_t>(what);
    if (kind > static_cast<uint32_t>(Kind::f64)) fail("{}: {}: {} is no type of a value", where(), what, kind);
    return static_cast<Kind>(kind);
  }

  /// `count` elements of an array.
  void skip_elements(Kind kind, uint64_t count, const std::string& what, int depth) {
    if (const uint64_t width = width_of(kind); width > 0) {
      cursor_.need_each(count, width, what);
      return cursor_.skip(count * width, what);
    }
    if (depth > kMaxNesting) fail("{}: {}: arrays nested deeper than {} levels", where(), what, kMaxNesting);
    if (count > kMaxWalked) fail("{}: {}: {} elements; at most {} are allowed", where(), what, count, kMaxWalked);
    cursor_.need_each(count, kind == Kind::string ? 8 : 12, what);
    for (uint64_t i = 0; i < count; ++i) {
      if (kind == Kind::string) {
        cursor_.skip_string(what, kMaxString);
      } else {
        const Kind inner = take_kind(what);
        skip_elements(inner, cursor_.take<uint64_t>(what), what, depth + 1);
      }
    }
  }

  void read_pairs() {
    std::map<std::string, GgufMetadata::Value, std::less<>> values;
    for (uint64_t i = 0; i < pairs_; ++i) {
      const std::string key = cursor_.take_string(fmt::format("metadata key {} of {}", i + 1, pairs_), kMaxName);
      const std::string what = "metadata key " + printable(key);
      GgufMetadata::Value value;
      value.kind = take_kind(what);
      if (value.kind == Kind::array) {
        value.element = take_kind(what);
        value.count = cursor_.take<uint64_t>(what);
        value.offset = cursor_.position();
        skip_elements(value.element, value.count, what, 1);
      } else {
        value.offset = cursor_.position();
        skip_elements(value.kind, 1, what, 1);
      }
      if (!values.emplace(key, value).second) fail("{}: {} appears twice", where(), what);
    }
    header_.metadata = std::make_shared<const GgufMetadata>(file_, header_.big_endian, std::move(values));
  }

  void read_alignment() {
    constexpr const char* kKey = "general.alignment";
    const auto* value = header_.metadata->find(kKey);
    if (value && value->kind != Kind::u32) header_.metadata->refuse(kKey, "a 32-bit unsigned integer");
    header_.alignment = value ? static_cast<uint64_t>(header_.metadata->integer(kKey)) : kDefaultAlignment;
    if (!std::has_single_bit(header_.alignment) || header_.alignment > kMaxAlignment) {
      header_.metadata->refuse(kKey, fmt::format("a power of two, at most {}", kMaxAlignment));
    }
  }

  void read_tensors() {
    for (uint64_t i = 0; i < tensors_; ++i) read_tensor(fmt::format("tensor {} of {}", i + 1, tensors_));
    const uint64_t end = cursor_.position();
    const uint64_t begin = (end + header_.alignment - 1) / header_.alignment * header_.alignment;
    // A file of metadata alone may end with its header.
    const uint64_t data = begin <= file_->bytes() ? file_->bytes() - begin : 0;
    for (auto& [name, tensor] : header_.tensors) {
      if (tensor.offset > data || tensor.bytes > data - tensor.offset) {
        fail(
            "{}: tensor {}: {} needs {} bytes at byte {} of the data section, which has only {} bytes: the file is "
            "shorter than its header says (incomplete download? fetch it again)",
            where(), printable(name), tensor.describe(), tensor.bytes, tensor.offset, data);
      }
      tensor.offset += begin;
    }
    const uint64_t unused = check_ranges(header_.tensors, data, where());
    // Padding brings each tensor to the alignment.
    if (unused >= header_.alignment * std::max<uint64_t>(tensors_, 1)) {
      header_.notes.push_back(fmt::format("{} bytes belong to no tensor", unused));
    }
  }

  void read_tensor(const std::string& nth) {
    StoredTensor tensor;
    tensor.name = cursor_.take_string("the name of " + nth, kMaxName);
    const std::string what = "tensor " + printable(tensor.name);
    const auto rank = cursor_.take<uint32_t>(what);
    if (rank > kMaxRank) fail("{}: {}: {} dimensions; at most {} are allowed", where(), what, rank, kMaxRank);
    for (uint32_t i = 0; i < rank; ++i) {
      const auto size = cursor_.take<uint64_t>(what);
      if (size == 0 || size > INT64_MAX) fail("{}: {}: a dimension of {}", where(), what, size);
      tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
    }
    const auto id = cursor_.take<uint32_t>(what);
    const std::optional<DType> dtype = dtype_of_gguf(id);
    if (!dtype) fail("{}: {}: type {}, which this version does not read", where(), what, refused_type(id));
    tensor.dtype = *dtype;
    tensor.big_endian = header_.big_endian;
    tensor.bytes = bytes_needed(tensor, what);
    tensor.offset = cursor_.take<uint64_t>(what);
    if (tensor.offset % header_.alignment != 0) {
      fail("{}: {}: its offset {} is no multiple of the alignment {}", where(), what, tensor.offset, header_.alignment);
    }
    const std::string name = tensor.name;
    if (!header_.tensors.emplace(name, std::move(tensor)).second) fail("{}: {} appears twice", where(), what);
  }

  uint64_t bytes_needed(const StoredTensor& tensor, const std::string& what) const {
    const Block block = block_of(tensor.dtype);
    if ((tensor.shape.empty() ? 1 : tensor.shape.back()) % block.elements != 0) {
      fail("{}: {}: {}: a row is no whole number of blocks of {}", where(), what, tensor.describe(), block.elements);
    }
    int64_t elements = 1, bytes = 0;
    bool overflow = false;
    for (const int64_t size : tensor.shape) overflow |= __builtin_mul_overflow(elements, size, &elements);
    overflow |= __builtin_mul_overflow(elements / block.elements, block.bytes, &bytes);
    if (overflow) fail("{}: {}: {} has more elements than any file could hold", where(), what, tensor.describe());
    return static_cast<uint64_t>(bytes);
  }

  std::string where() const { return file_->path().string(); }

  std::shared_ptr<const InputFile> file_;
  GgufCursor cursor_;
  GgufHeader header_;
  uint64_t tensors_ = 0, pairs_ = 0;
};

}  // namespace

GgufHeader read_gguf(std::shared_ptr<const InputFile> file) {
  return HeaderReader(std::move(file)).read();
}

GgufHeader read_gguf(const std::filesystem::path& path) {
  return read_gguf(std::make_shared<const InputFile>(path));
}

}  // namespace assay
