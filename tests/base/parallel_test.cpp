#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace assay {
namespace {

class Pool : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, Pool, testing::Values(1, 2, 3, 8));

TEST_P(Pool, RunsEveryIterationOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.size(), GetParam());
  for (const int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
    pool.run(count, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
    for (const auto& n : runs) EXPECT_EQ(n, 1);
  }
}

TEST_P(Pool, ANegativeCountRunsNothing) {
  ThreadPool(GetParam()).run(-1, [](int64_t) { FAIL(); });
}

TEST_P(Pool, WritesAreVisibleAfterTheLoop) {
  ThreadPool pool(GetParam());
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<int64_t> out(64, -1);
    pool.run(64, [&](int64_t i) { out[static_cast<size_t>(i)] = i + repeat; });
    for (int64_t i = 0; i < 64; ++i) ASSERT_EQ(out[static_cast<size_t>(i)], i + repeat);
  }
}

TEST_P(Pool, AnExceptionReachesTheCallerAndThePoolGoesOn) {
  ThreadPool pool(GetParam());
  for (int repeat = 0; repeat < 50; ++repeat) {
    EXPECT_THROW(pool.run(100,
                          [](int64_t i) {
                            if (i == 17) throw std::runtime_error("seventeen");
                          }),
                 std::runtime_error);
  }
  std::atomic<int> runs{0};
  pool.run(100, [&](int64_t) { ++runs; });
  EXPECT_EQ(runs, 100);
}

TEST_P(Pool, AFailedLoopStopsEarly) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> runs{0};
  constexpr int64_t kCount = 1'000'000'000'000;
  EXPECT_THROW(pool.run(kCount,
                        [&](int64_t) {
                          ++runs;
                          throw std::runtime_error("first");
                        }),
               std::runtime_error);
  EXPECT_LE(runs, GetParam());
}

TEST_P(Pool, LoopsMayStartLoops) {
  ThreadPool pool(GetParam());
  std::atomic<int> runs{0};
  pool.run(10, [&](int64_t) { pool.run(10, [&](int64_t) { pool.run(3, [&](int64_t) { ++runs; }); }); });
  EXPECT_EQ(runs, 300);
}

TEST_P(Pool, SeveralThreadsMayStartLoops) {
  ThreadPool pool(GetParam());
  std::atomic<int> runs{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat) pool.run(20, [&](int64_t) { ++runs; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(runs, 4 * 100 * 20);
}

TEST(Pools, ExtraThreadsTakePart) {
  ThreadPool pool(2);
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  // Two iterations can only meet when two threads run them.
  pool.run(2, [&](int64_t) {
    ++inside;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (inside < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    if (inside == 2) met = true;
  });
  EXPECT_TRUE(met);
}

TEST(Pools, ThisProcessMayUseAtLeastOneThread) {
  EXPECT_GE(ThreadPool::available(), 1);
}

}  // namespace
}  // namespace assay
