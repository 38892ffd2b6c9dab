#pragma once
#include <fmt/core.h>

#include <chrono>
#include <string>
#include <string_view>

namespace assay {

/// Where the program speaks: narration (on stdout, as compare_q does, unless stdout is kept for machines), notes and
/// errors (stderr), progress (stderr).
class Console {
 public:
  explicit Console(bool machine_readable);

  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    print(fmt::format(format, std::forward<Args>(args)...));
  }
  void note(std::string_view text);
  void error(std::string_view text);
  /// A result: always stdout. Error when it cannot be written.
  void result(std::string_view text);

  bool draws_bars() const { return draws_bars_; }
  /// Columns of stdout's terminal; 100 where there is none.
  int width() const { return width_; }

 private:
  void print(const std::string& line);
  std::FILE* narration_;
  bool draws_bars_;
  int width_;
};

/// A bar that disappears on a terminal; elsewhere a line now and then, and one at the end.
class Progress {
 public:
  /// `total` units ("rows") of work, of which `update` tells the fraction done; 0 = the percentage says all.
  Progress(const Console& console, std::string title, double total = 0, std::string unit = "");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(double fraction);

 private:
  using Clock = std::chrono::steady_clock;
  std::string status(double fraction, double elapsed) const;

  bool bar_;
  std::string title_;
  double total_;
  std::string unit_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool drawn_ = false, finished_ = false;
};

/// "0:07", "1:02:03".
std::string clock_time(double seconds);

}  // namespace assay
