#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace assay {

namespace {

constexpr int kDefaultWidth = 100;
constexpr int kBarWidth = 30;
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(15);

int terminal_width() {
  winsize size{};
  if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return kDefaultWidth;
  return std::max<int>(size.ws_col, 60);
}

void write_line(std::FILE* file, std::string_view text) {
  fmt::print(file, "{}\n", text);
  std::fflush(file);
}

std::string bar(double fraction) {
  const int done = static_cast<int>(fraction * kBarWidth);
  std::string out;
  for (int i = 0; i < kBarWidth; ++i) out += i < done ? "━" : "╌";
  return out;
}

}  // namespace

Console::Console(bool machine_readable)
    : narration_(machine_readable ? stderr : stdout), draws_bars_(isatty(STDERR_FILENO)), width_(terminal_width()) {}

void Console::print(const std::string& line) {
  write_line(narration_, line);
}
void Console::note(std::string_view text) {
  write_line(stderr, fmt::format("note: {}", text));
}
void Console::error(std::string_view text) {
  std::fflush(stdout);
  write_line(stderr, fmt::format("assay: error: {}", text));
}

void Console::result(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail("standard output: cannot write: {}", std::strerror(errno));
}

std::string clock_time(double seconds) {
  const auto s = static_cast<int64_t>(std::clamp(std::round(seconds), 0.0, 1e9));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress(const Console& console, std::string title, double total, std::string unit)
    : bar_(console.draws_bars()), title_(std::move(title)), total_(total), unit_(std::move(unit)) {}

Progress::~Progress() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
}

std::string Progress::status(double fraction, double elapsed) const {
  std::string out;
  if (total_ > 0 && elapsed > 0) {
    const double rate = total_ * fraction / elapsed;
    out += rate < 10 ? fmt::format("{:.2f} {}/s, ", rate, unit_) : fmt::format("{:.0f} {}/s, ", rate, unit_);
  }
  out += clock_time(elapsed) + " elapsed";
  if (fraction > 0 && fraction < 1) out += fmt::format(", {} left", clock_time(elapsed * (1 - fraction) / fraction));
  return out;
}

void Progress::update(double fraction) {
  const Clock::time_point now = Clock::now();
  const bool last = fraction >= 1;
  if (finished_ || (!last && now - shown_ < (bar_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine)))) return;
  finished_ = last;
  shown_ = now;
  fraction = std::clamp(fraction, 0.0, 1.0);
  const std::string text = status(fraction, std::chrono::duration<double>(now - start_).count());
  if (bar_) {
    fmt::print(stderr, "\r\033[K{} {} {:3.0f}%  {}", title_, bar(fraction), fraction * 100, text);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}: {:.0f}% ({})\n", title_, fraction * 100, text);
  }
  std::fflush(stderr);
}

}  // namespace assay
