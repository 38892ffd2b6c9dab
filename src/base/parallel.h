#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace assay {

/// Threads that share the iterations of loops. Several threads may start loops at once (the loader decodes the next
/// block while the main thread computes the current one); every loop's caller works on its own loop as well.
/// Results must not depend on which thread runs an iteration: iterations write disjoint memory.
class ThreadPool {
 public:
  /// `threads` counts the caller: 1 means no extra thread.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Runs task(i) for 0 <= i < count and returns when all are done. The first exception is rethrown here.
  void run(int64_t count, const std::function<void(int64_t)>& task);

  /// Hardware threads that this process may use.
  static int available();

 private:
  struct Loop;
  void work();
  static void drain(Loop& loop);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Loop*> loops_;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace assay
