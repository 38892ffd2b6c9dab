#include "checkpoint/writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace assay {

namespace fs = std::filesystem;

/// An open file under its temporary name.
class CheckpointWriter::File {
 public:
  explicit File(const fs::path& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (fd_ < 0) give_up();
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(const void* data, size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(fd_, bytes, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) give_up();
      bytes += written;
      size -= static_cast<size_t>(written);
    }
  }
  void finish() {
    if (::fsync(fd_) != 0) give_up();
  }

 private:
  [[noreturn]] void give_up() const {
    const char* advice = errno == ENOSPC || errno == EDQUOT ? "; free some space or write elsewhere" : "";
    fail("{}: cannot write: {}{}", path_.string(), std::strerror(errno), advice);
  }
  fs::path path_;
  int fd_;
};

CheckpointWriter::CheckpointWriter(fs::path folder) : folder_(std::move(folder)) {
  std::error_code error;
  made_folder_ = fs::create_directories(folder_, error);
  if (error) fail("{}: cannot make the folder: {}", folder_.string(), error.message());
}

CheckpointWriter::~CheckpointWriter() {
  if (committed_) return;
  std::error_code ignored;
  for (const Named& file : files_) fs::remove(file.part, ignored);
  if (made_folder_) fs::remove(folder_, ignored);
}

CheckpointWriter::File CheckpointWriter::create(const std::string& name) {
  const fs::path part = folder_ / fmt::format("{}.{}.part", name, ::getpid());
  files_.push_back({part, folder_ / name});
  return File(part);
}

void CheckpointWriter::write_text(const std::string& name, const std::string& text) {
  File file = create(name);
  file.write(text.data(), text.size());
  file.finish();
}

void CheckpointWriter::copy(const fs::path& file) {
  write_text(file.filename().string(), read_file(file));
}

namespace {

/// Beside weights, what an older checkpoint must not leave behind: it would be taken for this one's.
constexpr std::string_view kStale[] = {"model.safetensors.index.json",
                                       "hf_quant_config.json",
                                       "quantize_config.json",
                                       "quant_config.json",
                                       "quanto_qmap.json",
                                       "quantization_config.json"};

/// Shards in the order of the tensors.
std::vector<std::vector<const PlainTensor*>> share_out(const std::vector<PlainTensor>& tensors, uint64_t shard_bytes) {
  std::vector<std::vector<const PlainTensor*>> shards;
  uint64_t filled = 0;
  for (const PlainTensor& tensor : tensors) {
    if (shards.empty() || filled + tensor.bytes() > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(&tensor);
    filled += tensor.bytes();
  }
  return shards;
}

/// Length and JSON text that begin a safetensors file; padded, so that data begin at a multiple of 8.
std::string header_of(const std::vector<const PlainTensor*>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const PlainTensor* tensor : tensors) {
    const uint64_t end = offset + tensor->bytes();
    header[tensor->name] = {
        {"dtype", name_of(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

}  // namespace

void CheckpointWriter::write_shard(const std::string& name, const std::vector<const PlainTensor*>& tensors,
                                   const std::function<void(uint64_t)>& progress) {
  File file = create(name);
  const std::string header = header_of(tensors);
  file.write(header.data(), header.size());
  std::vector<std::byte> rows;
  for (const PlainTensor* tensor : tensors) {
    for (int64_t begin = 0; begin < tensor->rows; begin += tensor->rows_at_once) {
      const int64_t end = std::min(begin + tensor->rows_at_once, tensor->rows);
      rows.resize(static_cast<size_t>((end - begin) * tensor->row_bytes));
      tensor->produce(begin, end, rows.data());
      file.write(rows.data(), rows.size());
      progress(rows.size());
    }
  }
  file.finish();
}

void CheckpointWriter::write_tensors(const std::vector<PlainTensor>& tensors, uint64_t shard_bytes,
                                     const std::function<void(double)>& progress) {
  uint64_t total = 0, written = 0;
  for (const PlainTensor& tensor : tensors) total += tensor.bytes();
  std::error_code error;
  if (const fs::space_info space = fs::space(folder_, error); !error && space.available < total) {
    fail("{}: {} bytes are to be written and {} are free; free some space or write elsewhere", folder_.string(), total,
         space.available);
  }
  const auto shards = share_out(tensors, shard_bytes);
  Json places = Json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1 ? "model.safetensors"
                                                : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    write_shard(name, shards[i], [&](uint64_t bytes) {
      written += bytes;
      progress(static_cast<double>(written) / static_cast<double>(total));
    });
    for (const PlainTensor* tensor : shards[i]) places[tensor->name] = name;
  }
  if (shards.size() == 1) return;
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", places}};
  write_text("model.safetensors.index.json", index.dump(2) + "\n");
}

void CheckpointWriter::commit() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    const bool stale =
        name.ends_with(".safetensors") || std::find(std::begin(kStale), std::end(kStale), name) != std::end(kStale);
    if (!stale) continue;
    fs::remove(entry.path(), error);
    if (error) fail("{}: cannot remove: {}", entry.path().string(), error.message());
  }
  for (const Named& file : files_) {
    fs::rename(file.part, file.name, error);
    if (error) fail("{}: cannot rename: {}", file.part.string(), error.message());
  }
  committed_ = true;
}

}  // namespace assay
