#include "cli/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

/// An open file that removes itself unless it was kept.
class Scratch {
 public:
  Scratch(const fs::path& path, int flags, const fs::path& shown) : path_(path), shown_(shown) {
    fd_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (fd_ < 0) give_up();
  }
  ~Scratch() {
    if (fd_ >= 0) ::close(fd_);
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  void remove_unless_renamed() { name_ = path_; }

  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) give_up();
      text.remove_prefix(static_cast<size_t>(written));
    }
  }
  void sync() {
    if (::fsync(fd_) != 0) give_up();
  }
  void rename_to(const fs::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) give_up();
    name_.clear();
  }
  [[noreturn]] void give_up() { fail("{}: cannot write: {}", shown_.string(), std::strerror(errno)); }

 private:
  fs::path path_, shown_, name_;
  int fd_ = -1;
};

}  // namespace

void write_atomically(const fs::path& path, std::string_view text) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(path, error);  // a link stays a link
  if (error) fail("{}: cannot write: {}", path.string(), error.message());
  const fs::file_status status = fs::status(target, error);
  if (fs::is_directory(status)) fail("{}: cannot write: it is a directory; name a file", path.string());
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    Scratch(target, O_WRONLY, path).write(text);
    return;
  }
  fs::path name = target;
  name += fmt::format(".{}.part", ::getpid());
  Scratch file(name, O_WRONLY | O_CREAT | O_TRUNC, path);
  file.remove_unless_renamed();
  file.write(text);
  file.sync();
  file.rename_to(target);
}

}  // namespace assay
