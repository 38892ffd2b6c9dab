#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>

namespace assay {

struct ThreadPool::Loop {
  const std::function<void(int64_t)>* task;
  int64_t count;
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  int helpers = 0;  // workers inside drain(), guarded by the pool's mutex
};

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::drain(Loop& loop) {
  for (;;) {
    const int64_t i = loop.next.fetch_add(1);
    if (i >= loop.count) return;
    try {
      (*loop.task)(i);
    } catch (...) {
      std::lock_guard lock(loop.mutex);
      if (!loop.error) loop.error = std::current_exception();
      loop.next = loop.count;
    }
  }
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto open = std::find_if(loops_.begin(), loops_.end(), [](Loop* l) { return l->next.load() < l->count; });
    if (open == loops_.end()) {
      if (stop_) return;
      wake_.wait(lock);
      continue;
    }
    Loop& loop = **open;
    ++loop.helpers;
    lock.unlock();
    drain(loop);
    lock.lock();
    if (--loop.helpers == 0) wake_.notify_all();
  }
}

void ThreadPool::run(int64_t count, const std::function<void(int64_t)>& task) {
  if (count <= 0) return;
  Loop loop;
  loop.task = &task;
  loop.count = count;
  if (workers_.empty() || count == 1) {
    drain(loop);
  } else {
    std::unique_lock lock(mutex_);
    const auto place = loops_.insert(loops_.end(), &loop);
    lock.unlock();
    wake_.notify_all();
    drain(loop);
    lock.lock();
    loops_.erase(place);
    wake_.wait(lock, [&] { return loop.helpers == 0; });
  }
  if (loop.error) std::rethrow_exception(loop.error);
}

int ThreadPool::available() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::max(1u, std::thread::hardware_concurrency());
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace assay
