#include "checkpoint/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace assay {

namespace {

/// Linux transfers at most 2 GiB less a page in one call.
constexpr size_t kMaxTransfer = size_t{1} << 30;

std::string open_failure(const std::filesystem::path& path, int code) {
  std::error_code ignored;
  if (code == ENOENT && std::filesystem::is_symlink(path, ignored)) {
    return fmt::format("a link to {}, which does not exist (incomplete download?)",
                       std::filesystem::read_symlink(path, ignored).string());
  }
  if (code == EMFILE || code == ENFILE) return "too many open files; raise the limit with `ulimit -n`";
  return std::strerror(code);
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK keeps a named pipe from blocking here for ever; it has no effect on regular files.
  do {
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) fail("{}: cannot open: {}", path_.string(), open_failure(path_, errno));
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    fail("{}: expected a regular file, found something else", path_.string());
  }
  bytes_ = static_cast<uint64_t>(status.st_size);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(other.bytes_), descriptor_(std::exchange(other.descriptor_, -1)) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void InputFile::read(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const size_t wanted = std::min(out.size(), kMaxTransfer);
    const ssize_t got = ::pread(descriptor_, out.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("{}: cannot read at byte {}: {}", path_.string(), offset, std::strerror(errno));
    if (got == 0) {
      fail("{}: the file has become shorter: it had {} bytes when it was opened and now ends at or before byte {}",
           path_.string(), bytes_, offset);
    }
    out = out.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
}

}  // namespace assay
