#pragma once
#include <fmt/core.h>

#include <stdexcept>
#include <string>

namespace assay {

/// Bad input or usage: the message says where, which tensor or key, what was expected, what was found, what to try.
/// The program reports it and exits with 2 (or 1 when other models of the run succeeded).
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The user asked to stop (Ctrl-C); finished work has been saved.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// Throws Error with a formatted message.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws std::logic_error: a bug in assay, never the fault of an input.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace assay

/// An invariant of our own code; stays on in release builds.
#define ASSAY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::assay::check_failed(__FILE__, __LINE__, #condition))
