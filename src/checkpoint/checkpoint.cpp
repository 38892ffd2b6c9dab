#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_model/model.h"
#include "checkpoint/json_file.h"
#include "checkpoint/locate.h"
#include "checkpoint/printable.h"
#include "checkpoint/safetensors.h"

namespace assay {
namespace fs = std::filesystem;

namespace {

constexpr size_t kHashChunk = size_t{4} << 20;

using Tensors = std::map<std::string, StoredTensor, std::less<>>;

/// Keeps of one shard what the index assigns to it; says how many tensors it had beyond that.
size_t keep_indexed(const ModelFiles& files, const std::string& shard, Tensors& tensors) {
  return std::erase_if(tensors, [&](const auto& entry) {
    const auto it = files.index->find(entry.first);
    return it == files.index->end() || it->second != shard;
  });
}

void check_all_found(const ModelFiles& files, const Tensors& tensors) {
  for (const auto& [name, shard] : *files.index) {
    if (tensors.find(name) == tensors.end()) {
      fail("{}: tensor {} should be in {}, which does not have it (files of two versions of the model mixed?)",
           (files.directory / files.index_name).string(), printable(name), printable(shard));
    }
  }
}

void add_tensors(const fs::path& path, Tensors& all, Tensors& tensors) {
  if (all.empty()) {
    all = std::move(tensors);
    return;
  }
  all.merge(tensors);
  if (!tensors.empty()) {
    fail("{}: tensor {} is also in another shard, and no index says which one counts", path.string(),
         printable(tensors.begin()->first));
  }
}

/// The file says itself which part of a split model it is.
void check_shard(const GgufMetadata& metadata, size_t part, size_t parts) {
  const int64_t count = metadata.integer_or("split.count", 1);
  if (count > 1 && parts == 1) {
    fail("{}: one of the {} parts of a split model; name the parts \"...-00001-of-{:05}.gguf\" and so on, as they were",
         metadata.path().string(), count, count);
  }
  if (parts == 1) return;
  if (count != static_cast<int64_t>(parts)) metadata.refuse("split.count", fmt::format("{}, as the name says", parts));
  if (metadata.integer("split.no") != static_cast<int64_t>(part)) {
    metadata.refuse("split.no", fmt::format("{}, as the name says", part));
  }
}

/// JSON files that decide how tensors are read: config.json and whatever quantizers write beside it.
std::vector<std::string> deciding_files(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool json = lower.ends_with(".json") && !lower.ends_with(".index.json");
    if (name == "config.json" || (json && lower.find("quant") != std::string::npos)) names.push_back(std::move(name));
  }
  if (error) fail("{}: cannot list the folder: {}", directory.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

int64_t StoredTensor::elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

std::string StoredTensor::describe() const {
  return fmt::format("{} [{}]", name_of(dtype), fmt::join(shape, ", "));
}

Checkpoint::Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& path) {
  ModelFiles files = locate_model(path);
  Checkpoint out;
  out.path_ = path;
  out.directory_ = files.directory;
  out.notes_ = std::move(files.notes);
  if (files.gguf) {
    out.open_gguf(files);
  } else {
    out.open_safetensors(files);
  }
  return out;
}

void Checkpoint::open_safetensors(const ModelFiles& files) {
  for (const std::string& name : files.names) {
    const InputFile& input = *inputs_.emplace_back(std::make_shared<const InputFile>(files.directory / name));
    SafetensorsHeader header = read_safetensors(input);
    for (auto& [tensor_name, tensor] : header.tensors) tensor.file = static_cast<int>(files_.size());
    for (const std::string& note : header.notes) notes_.push_back(name + ": " + note);
    if (const size_t extra = files.index ? keep_indexed(files, name, header.tensors) : 0) {
      notes_.push_back(fmt::format("{}: {} tensors are not in the index and are ignored", name, extra));
    }
    add_tensors(input.path(), tensors_, header.tensors);
    files_.push_back({input.path(), input.bytes(), std::move(header.metadata)});
  }
  if (files.index) check_all_found(files, tensors_);
  config_ = std::make_unique<Json>(json_file("config.json").value_or(Json::object()));
  if (!config_->is_object()) fail("{}: expected a JSON object", (files.directory / "config.json").string());
}

void Checkpoint::open_gguf(const ModelFiles& files) {
  for (const std::string& name : files.names) {
    const auto& input = inputs_.emplace_back(std::make_shared<const InputFile>(files.directory / name));
    GgufHeader header = read_gguf(input);
    for (auto& [tensor_name, tensor] : header.tensors) tensor.file = static_cast<int>(files_.size());
    for (const std::string& note : header.notes) notes_.push_back(name + ": " + note);
    check_shard(*header.metadata, files_.size(), files.names.size());
    if (!gguf_) gguf_ = header.metadata;
    add_tensors(input->path(), tensors_, header.tensors);
    files_.push_back({input->path(), input->bytes(), {}});
  }
  const int64_t total = gguf_->integer_or("split.tensors.count", static_cast<int64_t>(tensors_.size()));
  if (total != static_cast<int64_t>(tensors_.size())) {
    gguf_->refuse("split.tensors.count", fmt::format("the {} tensors that the shards hold", tensors_.size()));
  }
  GgufModel model = translate_gguf(*gguf_, tensors_, [&](const StoredTensor& tensor) { return read(tensor); });
  tensors_ = std::move(model.tensors);
  notes_.insert(notes_.end(), model.notes.begin(), model.notes.end());
  config_ = std::make_unique<Json>(std::move(model.config));
}

const StoredTensor* Checkpoint::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

const StoredTensor& Checkpoint::at(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return *tensor;
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [existing, tensor] : tensors_) names.push_back(existing);
  const auto near = nearest(name, names);
  fail("{}: no tensor {} among {}{}", path_.string(), printable(name), tensors_.size(),
       near ? "; the nearest name is " + printable(*near) : "");
}

void Checkpoint::read(const StoredTensor& tensor, uint64_t offset, std::span<std::byte> out) const {
  ASSAY_CHECK(tensor.file >= 0 && static_cast<size_t>(tensor.file) < inputs_.size());
  ASSAY_CHECK(offset <= tensor.bytes && out.size() <= tensor.bytes - offset);
  try {
    inputs_[static_cast<size_t>(tensor.file)]->read(tensor.offset + offset, out);
  } catch (const Error& e) {
    fail("{} (reading tensor {})", e.what(), printable(tensor.name));
  }
  if (tensor.big_endian) {
    ASSAY_CHECK(offset % static_cast<uint64_t>(block_of(tensor.dtype).bytes) == 0);
    swap_byte_order(tensor.dtype, out);
  }
}

std::vector<std::byte> Checkpoint::read(const StoredTensor& tensor) const {
  std::vector<std::byte> out(tensor.bytes);
  read(tensor, 0, out);
  return out;
}

std::optional<Json> Checkpoint::json_file(const std::string& name) const {
  ASSAY_CHECK(is_plain_file_name(name));
  if (gguf_) return std::nullopt;
  const fs::path file = directory_ / name;
  std::error_code error;
  if (fs::symlink_status(file, error).type() == fs::file_type::not_found) return std::nullopt;
  return read_model_json(file);
}

uint64_t Checkpoint::file_bytes() const {
  uint64_t sum = 0;
  for (const File& file : files_) sum += file.bytes;
  return sum;
}

std::string Checkpoint::content_hash(const std::function<void(uint64_t, uint64_t)>& progress) const {
  ContentHash hash;
  // Sizes keep bytes from moving unseen from one file to the next.
  for (const std::string& name : gguf_ ? std::vector<std::string>() : deciding_files(directory_)) {
    const std::string text = read_model_text(directory_ / name);
    hash.update(fmt::format("{} {}\n", name, text.size()));
    hash.update(text);
  }
  const uint64_t total = file_bytes();
  uint64_t done = 0;
  std::vector<std::byte> chunk(std::min<uint64_t>(kHashChunk, total));
  for (const auto& input : inputs_) {
    hash.update(fmt::format("tensors {}\n", input->bytes()));
    for (uint64_t offset = 0; offset < input->bytes(); offset += chunk.size()) {
      const auto part = std::span(chunk).first(std::min<uint64_t>(chunk.size(), input->bytes() - offset));
      input->read(offset, part);
      hash.update(part.data(), part.size());
      done += part.size();
      if (progress) progress(done, total);
    }
  }
  return hash.hex();
}

}  // namespace assay
