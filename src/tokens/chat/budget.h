#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace assay::jinja {

/// What one rendering of a template may cost. A template comes from a stranger's checkpoint: it must not hang the
/// program, exhaust memory or overflow the stack. Real chat templates stay thousands of times below these limits.
class Budget {
 public:
  static constexpr size_t kMaxText = size_t{16} << 20;    ///< bytes of one string, and of the output
  static constexpr size_t kMaxMemory = size_t{64} << 20;  ///< bytes of all values made by one rendering
  static constexpr int64_t kMaxSteps = 5'000'000;         ///< one per node evaluated, loop round, 64 bytes scanned
  static constexpr int kMaxDepth = 1000;                  ///< nested evaluations (expressions, blocks, macro calls)
  static constexpr int kMaxNesting = 100;                 ///< lists in lists

  void step(int64_t count = 1) {
    steps_ += count;
    if (steps_ > kMaxSteps) fail("it does not end within {} steps", kMaxSteps);
  }
  /// Before an operation that reads `bytes` bytes of text.
  void scan(size_t bytes) { step(1 + static_cast<int64_t>(bytes / 64)); }
  /// Before `count` values are stored.
  void items(size_t count) { memory(count > kMaxMemory ? kMaxMemory : count * 64); }
  void text(size_t bytes) {
    if (bytes > kMaxText) fail("it makes a text of more than {} bytes", kMaxText);
    memory(bytes);
  }

  /// One level of nested evaluation, for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (budget_.depth_ >= kMaxDepth) fail("its macros or expressions are nested deeper than {} levels", kMaxDepth);
      ++budget_.depth_;
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  void memory(size_t bytes) {
    memory_ += bytes;
    if (memory_ > kMaxMemory) fail("it needs more than {} bytes of memory", kMaxMemory);
  }

  int64_t steps_ = 0;
  size_t memory_ = 0;
  int depth_ = 0;
};

/// A text under construction, checked against the budget before each piece is added.
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(budget) {}
  TextBuilder& operator+=(std::string_view piece) {
    budget_.text(piece.size());
    if (text_.size() + piece.size() > Budget::kMaxText) budget_.text(text_.size() + piece.size());
    text_ += piece;
    return *this;
  }
  const std::string& str() const { return text_; }
  std::string take() { return std::move(text_); }
  Budget& budget() { return budget_; }

 private:
  Budget& budget_;
  std::string text_;
};

}  // namespace assay::jinja
