#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "made_files.h"
#include "support/support.h"

namespace assay {
namespace fs = std::filesystem;

namespace {

using test::error_of;
using test::expect_contains;

class OpenedCheckpoint : public testing::Test {
 protected:
  OpenedCheckpoint() {
    test::write_text(
        dir / "model.safetensors",
        test::safetensors(
            R"({"first":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"second.weight":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}})",
            8));
    test::write_text(dir / "config.json", R"({"hidden_size":8})");
  }
  Checkpoint open() { return Checkpoint::open(dir.path()); }

  test::TempDir dir;
};

int value(std::byte b) {
  return std::to_integer<int>(b);
}

TEST_F(OpenedCheckpoint, ReadsWholeTensors) {
  const Checkpoint checkpoint = open();
  const std::vector<std::byte> bytes = checkpoint.read(checkpoint.at("second.weight"));
  ASSERT_EQ(bytes.size(), 5u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(value(bytes[i]), 3 + i);
}

TEST_F(OpenedCheckpoint, ReadsParts) {
  const Checkpoint checkpoint = open();
  std::byte part[2];
  checkpoint.read(checkpoint.at("second.weight"), 3, part);
  EXPECT_EQ(value(part[0]), 6);
  EXPECT_EQ(value(part[1]), 7);
  checkpoint.read(checkpoint.at("second.weight"), 5, {});
}

TEST_F(OpenedCheckpoint, ReadingBeyondATensorIsABug) {
  const Checkpoint checkpoint = open();
  std::byte part[2];
  EXPECT_THROW(checkpoint.read(checkpoint.at("first"), 2, part), std::logic_error);
  EXPECT_THROW(checkpoint.read(checkpoint.at("first"), UINT64_MAX, part), std::logic_error);
}

TEST_F(OpenedCheckpoint, AFileThatShrankIsAnError) {
  const Checkpoint checkpoint = open();
  fs::resize_file(dir / "model.safetensors", fs::file_size(dir / "model.safetensors") - 1);
  EXPECT_EQ(checkpoint.read(checkpoint.at("first")).size(), 3u);
  const std::string message = error_of([&] { checkpoint.read(checkpoint.at("second.weight")); });
  expect_contains(message, "has become shorter");
  expect_contains(message, "model.safetensors");
  expect_contains(message, "second.weight");
}

TEST_F(OpenedCheckpoint, SurvivesTheRemovalOfItsFile) {
  const Checkpoint checkpoint = open();
  fs::remove(dir / "model.safetensors");
  EXPECT_EQ(value(checkpoint.read(checkpoint.at("first"))[2]), 2);
}

TEST_F(OpenedCheckpoint, AnUnknownNameSuggestsTheNearest) {
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.find("second.wieght"), nullptr);
  const std::string message = error_of([&] { checkpoint.at("second.wieght"); });
  expect_contains(message, "no tensor \"second.wieght\" among 2");
  expect_contains(message, "\"second.weight\"");
}

TEST_F(OpenedCheckpoint, ConfigIsEmptyWithoutAFile) {
  EXPECT_EQ(open().config().at("hidden_size"), 8);
  fs::remove(dir / "config.json");
  EXPECT_EQ(open().config(), Json::object());
}

TEST_F(OpenedCheckpoint, AMalformedConfigIsRefused) {
  for (const std::string& text : {std::string("{"), std::string("[]"), std::string(), std::string(100000, '[')}) {
    test::write_text(dir / "config.json", text);
    expect_contains(error_of([&] { open(); }), (dir / "config.json").string());
  }
  test::write_text(dir / "config.json", "version https://git-lfs.github.com/spec/v1\n");
  expect_contains(error_of([&] { open(); }), "git lfs pull");
}

TEST_F(OpenedCheckpoint, OtherJsonFilesAreReadOnRequest) {
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.json_file("quantize_config.json"), std::nullopt);
  test::write_text(dir / "quantize_config.json", R"({"bits":4})");
  EXPECT_EQ(checkpoint.json_file("quantize_config.json")->at("bits"), 4);
  EXPECT_THROW(checkpoint.json_file("../config.json"), std::logic_error);
}

TEST_F(OpenedCheckpoint, ANamedPipeDoesNotBlock) {
  fs::remove(dir / "config.json");
  ASSERT_EQ(mkfifo((dir / "config.json").c_str(), 0600), 0);
  expect_contains(error_of([&] { open(); }), "regular file");
}

TEST_F(OpenedCheckpoint, MovesKeepItsFilesOpen) {
  Checkpoint first = open();
  Checkpoint second = std::move(first);
  Checkpoint third = open();
  third = std::move(second);
  EXPECT_EQ(third.read(third.at("first")).size(), 3u);
  EXPECT_EQ(third.file_bytes(), fs::file_size(dir / "model.safetensors"));
}

TEST_F(OpenedCheckpoint, ClosesItsFiles) {
  const auto open_descriptors = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_descriptors();
  for (int i = 0; i < 10; ++i) open().content_hash();
  test::write_text(dir / "config.json", "{");
  for (int i = 0; i < 10; ++i) error_of([&] { open(); });
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(OpenedCheckpoint, ServesSeveralThreads) {
  const Checkpoint checkpoint = open();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const StoredTensor& tensor = checkpoint.at(t % 2 ? "first" : "second.weight");
      for (int i = 0; i < 500; ++i) {
        if (value(checkpoint.read(tensor)[0]) != (t % 2 ? 0 : 3)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(OpenedCheckpoint, TheHashFollowsContentAndNotPlaceOrDate) {
  const std::string hash = open().content_hash();
  EXPECT_EQ(hash.size(), 32u);
  const test::TempDir copy;
  fs::copy(dir.path(), copy.path(), fs::copy_options::recursive);
  fs::last_write_time(copy / "model.safetensors", fs::file_time_type::clock::now() - std::chrono::hours(99));
  test::write_text(copy / "README.md", "not part of the model");
  EXPECT_EQ(Checkpoint::open(copy.path()).content_hash(), hash);
  EXPECT_EQ(Checkpoint::open(copy / "model.safetensors").content_hash(), hash);
}

TEST_F(OpenedCheckpoint, TheHashSeesEveryFileThatDecides) {
  std::vector<std::string> hashes = {open().content_hash()};
  std::string tensors = test::read_text(dir / "model.safetensors");
  tensors.back() ^= 1;
  test::write_text(dir / "model.safetensors", tensors);
  hashes.push_back(open().content_hash());
  test::write_text(dir / "config.json", R"({"hidden_size":9})");
  hashes.push_back(open().content_hash());
  for (const char* name : {"quantize_config.json", "hf_quant_config.json", "quanto_qmap.json"}) {
    if (std::string(name) == "quanto_qmap.json") test::write_text(dir / "hf_quant_config.json", "{\"a\":1}");
    test::write_text(dir / name, "{}");
    hashes.push_back(open().content_hash());
  }
  std::sort(hashes.begin(), hashes.end());
  EXPECT_EQ(std::unique(hashes.begin(), hashes.end()), hashes.end());
}

TEST_F(OpenedCheckpoint, TheHashReportsProgressUpToTheWhole) {
  const Checkpoint checkpoint = open();
  uint64_t last = 0;
  checkpoint.content_hash([&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, checkpoint.file_bytes());
    last = done;
  });
  EXPECT_EQ(last, checkpoint.file_bytes());
}

TEST(LargeCheckpoint, ATensorOfSeveralChunksIsHashedAndReadWhole) {
  const test::TempDir dir;
  constexpr size_t kBytes = (size_t{9} << 20) + 5;
  test::write_text(dir / "model.safetensors", test::one_tensor("t", kBytes));
  const Checkpoint checkpoint = Checkpoint::open(dir.path());
  const std::vector<std::byte> bytes = checkpoint.read(checkpoint.at("t"));
  ASSERT_EQ(bytes.size(), kBytes);
  EXPECT_EQ(value(bytes.back()), (kBytes - 1) & 0xff);
  const std::string hash = checkpoint.content_hash();
  std::string file = test::read_text(dir / "model.safetensors");
  file[file.size() - 2] ^= 1;
  test::write_text(dir / "model.safetensors", file);
  EXPECT_NE(Checkpoint::open(dir.path()).content_hash(), hash);
}

TEST(LargeCheckpoint, AHundredThousandTensorsOpenQuickly) {
  const test::TempDir dir;
  constexpr int kTensors = 100'000;
  std::string header = "{";
  for (int i = 0; i < kTensors; ++i) {
    header += (i ? ",\"" : "\"") + std::string("model.layers.") + std::to_string(i) +
              R"(.mlp.experts.up_proj.weight":{"dtype":"F16","shape":[1,2],"data_offsets":[)" + std::to_string(4 * i) +
              "," + std::to_string(4 * i + 4) + "]}";
  }
  test::write_text(dir / "model.safetensors", test::safetensors(header + "}", size_t{4} * kTensors));
  const auto start = std::chrono::steady_clock::now();
  const Checkpoint checkpoint = Checkpoint::open(dir.path());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(checkpoint.tensors().size(), size_t{kTensors});
  RecordProperty("milliseconds", static_cast<int>(seconds * 1000));
  // A tenth of a second is usual; the bound only catches work that grows faster than the number of tensors.
  EXPECT_LT(seconds, 5);
}

TEST(LargeCheckpoint, TwoHundredShardsStayOpenTogether) {
  const test::TempDir dir;
  std::string map;
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i), file = "shard" + number + ".safetensors";
    test::write_text(dir / file, test::one_tensor("t" + number, 3));
    map += (i ? ",\"t" : "\"t") + number + "\":\"" + file + "\"";
  }
  test::write_text(dir / "model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  const Checkpoint checkpoint = Checkpoint::open(dir.path());
  EXPECT_EQ(checkpoint.files().size(), 200u);
  for (const auto& [name, tensor] : checkpoint.tensors()) EXPECT_EQ(value(checkpoint.read(tensor)[2]), 2);
}

}  // namespace
}  // namespace assay
