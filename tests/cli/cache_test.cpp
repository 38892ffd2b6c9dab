#include "cli/cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <functional>

#include "report/sample.h"
#include "support/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

class CacheTest : public testing::Test {
 protected:
  Cache cache() { return Cache(dir_ / "cache", console_); }

  static CacheKey key() {
    CacheKey key;
    key.content = "abc";
    key.tokens_sha256 = "def";
    key.windows = {.rows = 2, .count = 255, .length = 256, .stride = 256, .offset = 1};
    key.device = "cpu";
    key.precision = "f32";
    key.activations = key.kv_cache = "as-deployed";
    return key;
  }

  std::vector<fs::path> entries(const char* kind) const {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir_ / "cache" / kind, error)) files.push_back(entry.path());
    return files;
  }

  test::TempDir dir_;
  Console console_{true};
  const Measurement measured_ = *test::sample_result().models[0].measured;
};

TEST_F(CacheTest, FindsWhatWasStored) {
  EXPECT_FALSE(cache().find(key()));
  cache().store(key(), measured_);
  const auto found = cache().find(key());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ppl, measured_.ppl);
  EXPECT_EQ(found->row_nll, measured_.row_nll);
}

TEST_F(CacheTest, EveryPartOfTheKeyCounts) {
  cache().store(key(), measured_);
  const std::vector<std::function<void(CacheKey&)>> changes = {
      [](CacheKey& k) { k.content = "abd"; },      [](CacheKey& k) { k.tokens_sha256 = "deg"; },
      [](CacheKey& k) { k.windows.stride = 128; }, [](CacheKey& k) { k.first = 1; },
      [](CacheKey& k) { k.device = "cuda"; },      [](CacheKey& k) { k.precision = "bf16"; },
      [](CacheKey& k) { k.activations = "none"; }, [](CacheKey& k) { k.kv_cache = "none"; }};
  for (size_t i = 0; i < changes.size(); ++i) {
    CacheKey other = key();
    changes[i](other);
    EXPECT_FALSE(cache().find(other)) << "change " << i;
  }
}

TEST_F(CacheTest, ForgetsOneResult) {
  CacheKey other = key();
  other.content = "other";
  cache().store(key(), measured_);
  cache().store(other, measured_);
  cache().forget(key());
  EXPECT_FALSE(cache().find(key()));
  EXPECT_TRUE(cache().find(other));
}

TEST_F(CacheTest, ADamagedEntryIsReportedAndMadeAnew) {
  cache().store(key(), measured_);
  const fs::path file = entries("results").at(0);
  const std::string good = test::read_text(file);
  std::string changed_digit = good;
  changed_digit[good.find("46.8")] = '9';
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), changed_digit, std::string("[]")}) {
    test::write_text(file, bad);
    testing::internal::CaptureStderr();
    EXPECT_FALSE(cache().find(key()));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("damaged cache entry"), std::string::npos);
  }
  cache().store(key(), measured_);
  EXPECT_TRUE(cache().find(key()));
}

TEST_F(CacheTest, AFolderThatCannotBeMadeIsDoneWithout) {
  test::write_text(dir_ / "cache", "a file where the folder should be");
  Cache broken = cache();
  testing::internal::CaptureStderr();
  broken.store(key(), measured_);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("without a cache"), std::string::npos);
  EXPECT_FALSE(broken.enabled());
  EXPECT_FALSE(broken.find(key()));
}

TEST_F(CacheTest, AnEmptyFolderNameKeepsNothing) {
  Cache none({}, console_);
  none.store(key(), measured_);
  EXPECT_FALSE(none.find(key()));
}

class ContentHashTest : public CacheTest {
 protected:
  void SetUp() override {
    ASSAY_REQUIRE_FIXTURES();
    fs::create_directories(model());
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(test::fixtures() / "base" / name, model() / name);
    age();
  }
  fs::path model() const { return dir_ / "model"; }
  /// ctime cannot be set: the file has to be older than the coarsest clock step for real.
  void age() { sleep(3); }

  /// The hash, and how many bytes were read for it.
  std::pair<std::string, uint64_t> hash() {
    uint64_t read = 0;
    const std::string text =
        cache().content_hash(Checkpoint::open(model()), [&](uint64_t done, uint64_t) { read = done; });
    return {text, read};
  }
};

TEST_F(ContentHashTest, IsRememberedUntilAFileChanges) {
  const auto first = hash();
  EXPECT_GT(first.second, 0u);
  EXPECT_EQ(hash(), std::pair(first.first, uint64_t{0}));

  // Same size, same modification time, other content: only the change time gives it away.
  struct stat before {};
  ASSERT_EQ(stat((model() / "config.json").c_str(), &before), 0);
  std::string config = test::read_text(model() / "config.json");
  config[config.find("1e-05")] = '2';
  test::write_text(model() / "config.json", config);
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, (model() / "config.json").c_str(), times, 0), 0);
  const auto changed = hash();
  EXPECT_NE(changed.first, first.first);
  EXPECT_GT(changed.second, 0u);
}

TEST_F(ContentHashTest, IsNotRememberedForFilesThatMayStillChangeUnseen) {
  test::write_text(model() / "generation_config.json", "{}");
  EXPECT_GT(hash().second, 0u);
  EXPECT_GT(hash().second, 0u);
}

}  // namespace
}  // namespace assay
