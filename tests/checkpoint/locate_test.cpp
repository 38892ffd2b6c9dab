#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "made_files.h"
#include "support/gguf_writer.h"
#include "support/support.h"

namespace assay {
namespace fs = std::filesystem;

namespace {

using test::error_of;
using test::expect_contains;

class Locate : public testing::Test {
 protected:
  /// A file of one tensor, whose name is the file's content for these tests.
  void add(const std::string& file, const std::string& tensor) {
    test::write_text(dir / file, test::one_tensor(tensor, 4));
  }
  void add_index(const std::string& file, const std::string& weight_map) {
    test::write_text(dir / file, R"({"metadata":{"total_size":8},"weight_map":)" + weight_map + "}");
  }
  Checkpoint open() { return Checkpoint::open(dir.path()); }
  std::string refusal() {
    return error_of([&] { open(); });
  }
  static std::string notes(const Checkpoint& checkpoint) {
    std::string all;
    for (const std::string& note : checkpoint.notes()) all += note + "\n";
    return all;
  }

  test::TempDir dir;
};

TEST_F(Locate, AFolderWithModelSafetensors) {
  add("model.safetensors", "t");
  const Checkpoint checkpoint = open();
  EXPECT_NE(checkpoint.find("t"), nullptr);
  EXPECT_TRUE(checkpoint.notes().empty());
  EXPECT_EQ(checkpoint.path(), dir.path());
}

TEST_F(Locate, OneFileByItsPath) {
  add("any.safetensors", "t");
  add("other.safetensors", "u");
  test::write_text(dir / "config.json", R"({"model_type":"llama"})");
  const Checkpoint checkpoint = Checkpoint::open(dir / "any.safetensors");
  EXPECT_EQ(checkpoint.tensors().size(), 1u);
  EXPECT_EQ(checkpoint.config().at("model_type"), "llama");
}

TEST_F(Locate, AFileInTheCurrentFolderNeedsNoFolderName) {
  add("any.safetensors", "t");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  EXPECT_NE(Checkpoint::open("any.safetensors").find("t"), nullptr);
  EXPECT_NE(Checkpoint::open(".").find("t"), nullptr);
  fs::current_path(before);
}

TEST_F(Locate, ShardsByTheirIndex) {
  add("model-00001-of-00002.safetensors", "a");
  add("model-00002-of-00002.safetensors", "b");
  add_index("model.safetensors.index.json",
            R"({"b":"model-00002-of-00002.safetensors","a":"model-00001-of-00002.safetensors"})");
  const Checkpoint checkpoint = open();
  ASSERT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(checkpoint.files()[0].path.filename(), "model-00001-of-00002.safetensors");
  EXPECT_EQ(checkpoint.at("a").file, 0);
  EXPECT_EQ(checkpoint.at("b").file, 1);
  EXPECT_TRUE(checkpoint.notes().empty());
  EXPECT_EQ(Checkpoint::open(dir / "model.safetensors.index.json").tensors().size(), 2u);
}

TEST_F(Locate, AnIndexUnderAnotherName) {
  add("x-1.safetensors", "a");
  add_index("gptq_model-4bit.safetensors.index.json", R"({"a":"x-1.safetensors"})");
  EXPECT_EQ(open().tensors().size(), 1u);
}

TEST_F(Locate, TheIndexOfTheConsolidatedFilesComesLast) {
  add("x-1.safetensors", "a");
  add("c-1.safetensors", "c");
  add_index("x.safetensors.index.json", R"({"a":"x-1.safetensors"})");
  add_index("consolidated.safetensors.index.json", R"({"c":"c-1.safetensors"})");
  EXPECT_NE(open().find("a"), nullptr);
}

TEST_F(Locate, TwoIndexesNeedAChoice) {
  add("x-1.safetensors", "a");
  add_index("x.safetensors.index.json", R"({"a":"x-1.safetensors"})");
  add_index("y.safetensors.index.json", R"({"a":"x-1.safetensors"})");
  expect_contains(refusal(), "2 index files");
  EXPECT_EQ(Checkpoint::open(dir / "y.safetensors.index.json").tensors().size(), 1u);
}

TEST_F(Locate, StrayShardsAreIgnoredAndReported) {
  add("model-00001-of-00001.safetensors", "a");
  add("model-00003-of-00007.safetensors", "old");
  add_index("model.safetensors.index.json", R"({"a":"model-00001-of-00001.safetensors"})");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.find("old"), nullptr);
  expect_contains(notes(checkpoint),
                  "1 .safetensors file is not part of the model: \"model-00003-of-00007.safetensors\"");
}

TEST_F(Locate, TheIndexWinsOverWhatShardsHold) {
  test::write_text(
      dir / "x.safetensors",
      test::safetensors(
          R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
          2));
  add("y.safetensors", "b");
  add_index("model.safetensors.index.json", R"({"a":"x.safetensors","b":"y.safetensors"})");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.at("b").file, 1);
  expect_contains(notes(checkpoint), "x.safetensors: 1 tensors are not in the index");
}

TEST_F(Locate, ModelSafetensorsWinsOverAnIndexThatLeadsElsewhere) {
  add("model.safetensors", "new");
  add_index("model.safetensors.index.json", R"({"old":"model-00001-of-00001.safetensors"})");
  const Checkpoint checkpoint = open();
  EXPECT_NE(checkpoint.find("new"), nullptr);
  expect_contains(notes(checkpoint), "is ignored");
}

TEST_F(Locate, AnIndexMayAddFilesToModelSafetensors) {
  add("model.safetensors", "a");
  add("mtp.safetensors", "b");
  add_index("model.safetensors.index.json", R"({"a":"model.safetensors","b":"mtp.safetensors"})");
  EXPECT_EQ(open().tensors().size(), 2u);
}

TEST_F(Locate, OneFileUnderAnotherName) {
  add("pytorch_model.safetensors", "t");
  add("consolidated.safetensors", "c");
  EXPECT_NE(open().find("t"), nullptr);
}

TEST_F(Locate, TheConsolidatedFileIsTheLastResort) {
  add("consolidated.safetensors", "c");
  EXPECT_NE(open().find("c"), nullptr);
}

TEST_F(Locate, SeveralFilesWithoutAnIndexNeedAChoice) {
  add("one.safetensors", "a");
  add("two.safetensors", "b");
  const std::string message = refusal();
  expect_contains(message, "\"one.safetensors\", \"two.safetensors\"");
  expect_contains(message, "give the path of the one you mean");
}

TEST_F(Locate, CompleteShardsNeedNoIndex) {
  add("model-00001-of-00002.safetensors", "a");
  add("model-00002-of-00002.safetensors", "b");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.tensors().size(), 2u);
  expect_contains(notes(checkpoint), "no index file");
}

TEST_F(Locate, IncompleteShardsWithoutAnIndexAreRefused) {
  add("model-00001-of-00003.safetensors", "a");
  add("model-00003-of-00003.safetensors", "b");
  expect_contains(refusal(), "2 of 3 shards");
}

TEST_F(Locate, ALoneShardWithoutAnIndexIsRefused) {
  add("model-00001-of-00003.safetensors", "a");
  expect_contains(refusal(), "1 of 3 shards");
}

TEST_F(Locate, AnOddFileBesideCompleteShardsIsAStray) {
  add("adapter.safetensors", "x");
  add("model-00001-of-00001.safetensors", "a");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.find("x"), nullptr);
  expect_contains(notes(checkpoint), "\"adapter.safetensors\"");
}

TEST_F(Locate, TwoSetsOfShardsWithoutAnIndexNeedAChoice) {
  add("a-00001-of-00001.safetensors", "a");
  add("b-00001-of-00001.safetensors", "b");
  expect_contains(refusal(), "2 .safetensors files");
}

TEST_F(Locate, ATensorInTwoShardsWithoutAnIndexIsRefused) {
  add("model-00001-of-00002.safetensors", "a");
  add("model-00002-of-00002.safetensors", "a");
  expect_contains(refusal(), "tensor \"a\" is also in another shard");
}

TEST_F(Locate, MissingShardsAreNamedWithWhatTheyHeld) {
  add("s1.safetensors", "a");
  add_index("model.safetensors.index.json", R"({"a":"s1.safetensors","b":"s2.safetensors","c":"s2.safetensors"})");
  const std::string message = refusal();
  expect_contains(message, "1 of 2 shards missing: \"s2.safetensors\", with 2 of 3 tensors");
  expect_contains(message, "incomplete download");
}

TEST_F(Locate, ATensorThatItsShardLacksIsRefused) {
  add("s1.safetensors", "a");
  add_index("model.safetensors.index.json", R"({"a":"s1.safetensors","b":"s1.safetensors"})");
  const std::string message = refusal();
  expect_contains(message, "model.safetensors.index.json");
  expect_contains(message, "tensor \"b\" should be in \"s1.safetensors\"");
}

TEST_F(Locate, AnIndexCannotLeadOutOfItsFolder) {
  add("sub/s1.safetensors", "a");
  for (const std::string target :
       {"../s1.safetensors", "sub/s1.safetensors", "/etc/passwd", "..", ".", "", "a\\\\b", "s1.safetensors\\u0000"}) {
    SCOPED_TRACE(target);
    add_index("model.safetensors.index.json", R"({"a":")" + target + "\"}");
    const std::string message = refusal();
    expect_contains(message, "tensor \"a\": expected the name of a file in the same folder");
    expect_contains(message, "model.safetensors.index.json");
  }
}

TEST_F(Locate, MalformedIndexesAreRefusedNamingTheFile) {
  const std::vector<std::string> texts = {"",
                                          "{",
                                          "[]",
                                          "3",
                                          "{}",
                                          R"({"weight_map":[]})",
                                          R"({"weight_map":{}})",
                                          R"({"weight_map":{"a":1}})",
                                          R"({"weight_map":null})",
                                          std::string(100000, '['),
                                          "version https://git-lfs.github.com/spec/v1\n"};
  for (const std::string& text : texts) {
    SCOPED_TRACE(text.substr(0, 50));
    test::write_text(dir / "model.safetensors.index.json", text);
    expect_contains(refusal(), (dir / "model.safetensors.index.json").string());
  }
}

TEST_F(Locate, ShardNamesTooLongForAFileAreMissing) {
  add_index("model.safetensors.index.json", R"({"a":")" + std::string(100000, 'n') + "\"}");
  const std::string message = refusal();
  expect_contains(message, "1 of 1 shards missing");
  EXPECT_LT(message.size(), 1000u);
}

TEST_F(Locate, PicklesAreNeverLoaded) {
  for (const char* name : {"pytorch_model.bin", "model.pt", "consolidated.00.pth", "last.ckpt"}) {
    SCOPED_TRACE(name);
    const test::TempDir folder;
    test::write_text(folder / name, "PK");
    for (const fs::path& path : {folder.path(), folder / name}) {
      const std::string message = error_of([&] { Checkpoint::open(path); });
      expect_contains(message, "never loaded");
      expect_contains(message, "safe_serialization");
    }
  }
}

TEST_F(Locate, AnOddFileBesideAPickledModelIsNotTheModel) {
  test::write_text(dir / "pytorch_model.bin", "PK");
  add("extra.safetensors", "t");
  const std::string message = refusal();
  expect_contains(message, "\"pytorch_model.bin\"");
  expect_contains(message, "never loaded");
  EXPECT_NE(Checkpoint::open(dir / "extra.safetensors").find("t"), nullptr);
}

TEST_F(Locate, APickleBesideModelSafetensorsDoesNotMatter) {
  test::write_text(dir / "pytorch_model.bin", "PK");
  add("model.safetensors", "t");
  EXPECT_NE(open().find("t"), nullptr);
}

void add_gguf(const std::filesystem::path& path, const std::string& tensor, int part = 0, int parts = 1) {
  test::GgufWriter writer;
  if (parts > 1) {
    writer.add("split.no", static_cast<uint16_t>(part)).add("split.count", static_cast<uint16_t>(parts));
    if (part == 0) writer.add("split.tensors.count", int32_t{parts});
  }
  writer.tensor(tensor, {2}, {1, 2}).save(path);
}

TEST_F(Locate, AGgufBesideSafetensorsIsNotTheModelAndThatIsSaid) {
  add("model.safetensors", "a");
  add_gguf(dir / "m.gguf", "t");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.gguf(), nullptr);
  ASSERT_EQ(checkpoint.notes().size(), 1u);
  expect_contains(checkpoint.notes()[0], R"(not "m.gguf"; name that file)");
}

TEST_F(Locate, TheOneGgufOfAFolderIsTheModel) {
  add_gguf(dir / "m.gguf", "t");
  add_gguf(dir / "mmproj-m.gguf", "v");
  EXPECT_NE(open().find("t"), nullptr);
  EXPECT_EQ(open().find("v"), nullptr);
  EXPECT_NE(Checkpoint::open(dir / "m.gguf").gguf(), nullptr);
  add_gguf(dir / "n.gguf", "t");
  expect_contains(refusal(), R"(2 GGUF files: "m.gguf", "n.gguf"; give the path)");
}

TEST_F(Locate, SafetensorsWinOverGguf) {
  add("model.safetensors", "s");
  add_gguf(dir / "m.gguf", "t");
  EXPECT_NE(open().find("s"), nullptr);
}

TEST_F(Locate, AnyPartOfASplitGgufLeadsToAll) {
  add_gguf(dir / "m-00001-of-00002.gguf", "t", 0, 2);
  add_gguf(dir / "m-00002-of-00002.gguf", "u", 1, 2);
  for (const char* name : {"", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
    const Checkpoint checkpoint = Checkpoint::open(dir / name);
    EXPECT_EQ(checkpoint.files().size(), 2u);
    EXPECT_EQ(checkpoint.tensors().size(), 2u);
    EXPECT_EQ(checkpoint.at("u").file, 1);
  }
}

TEST_F(Locate, PartsOfASplitGgufMustFitTogether) {
  add_gguf(dir / "m-00001-of-00002.gguf", "t", 0, 2);
  expect_contains(refusal(), R"(1 of 2 shards missing: "m-00002-of-00002.gguf")");
  add_gguf(dir / "m-00002-of-00002.gguf", "t", 1, 2);
  expect_contains(refusal(), "tensor \"t\" is also in another shard");
  add_gguf(dir / "m-00002-of-00002.gguf", "u", 0, 2);
  expect_contains(refusal(), "\"split.no\": expected 1, as the name says, found \"0\"");
  add_gguf(dir / "m-00002-of-00002.gguf", "u", 1, 3);
  expect_contains(refusal(), "\"split.count\": expected 2");
  add_gguf(dir / "alone.gguf", "u", 1, 3);
  expect_contains(error_of([&] { Checkpoint::open(dir / "alone.gguf"); }), "one of the 3 parts of a split model");
}

TEST_F(Locate, AnEmptyFolderIsCalledEmpty) {
  expect_contains(refusal(), "the folder is empty");
}

TEST_F(Locate, AFolderOfModelsNamesThem) {
  add("llama-4bit/model.safetensors", "t");
  expect_contains(refusal(), "\"llama-4bit\"");
}

TEST_F(Locate, OtherFilesAreRefused) {
  test::write_text(dir / "config.json", "{}");
  expect_contains(error_of([&] { Checkpoint::open(dir / "config.json"); }), "expected a folder");
  expect_contains(refusal(), "\"config.json\"");
}

TEST_F(Locate, AWrongPathNamesWhatIsNear) {
  add("llama-3-8b/model.safetensors", "t");
  for (const char* wrong : {"llama-3-7b", "llama-3-8", "llama-3-7b/"}) {
    expect_contains(error_of([&] { Checkpoint::open(dir / wrong); }), "\"llama-3-8b\"");
  }
  expect_contains(error_of([&] { Checkpoint::open(dir / "no/model"); }), "nor does the folder");
}

TEST_F(Locate, ADanglingLinkSaysWhereItLeads) {
  fs::create_symlink("blobs/123", dir / "model.safetensors");
  expect_contains(refusal(), "blobs/123");
  expect_contains(error_of([&] { Checkpoint::open(dir / "model.safetensors"); }), "blobs/123");
}

TEST_F(Locate, AFolderCalledLikeAFileIsRefused) {
  fs::create_directories(dir / "model.safetensors");
  expect_contains(refusal(), "regular file");
}

TEST_F(Locate, AHubCacheLeadsToItsMainRevision) {
  test::write_text(dir / "blobs/beef", test::one_tensor("new", 4));
  test::write_text(dir / "refs/main", "rev2\n");
  add("snapshots/rev1/model.safetensors", "old");
  fs::create_directories(dir / "snapshots/rev2");
  fs::create_symlink("../../blobs/beef", dir / "snapshots/rev2/model.safetensors");
  EXPECT_NE(open().find("new"), nullptr);
  EXPECT_NE(Checkpoint::open(dir / "snapshots/rev1").find("old"), nullptr);
}

TEST_F(Locate, AHubCacheWithOneSnapshotNeedsNoRef) {
  add("snapshots/rev1/model.safetensors", "t");
  EXPECT_NE(open().find("t"), nullptr);
  add("snapshots/rev2/model.safetensors", "t");
  expect_contains(refusal(), "2 snapshots");
}

TEST_F(Locate, AHubCacheRefCannotLeadElsewhere) {
  add("outside/model.safetensors", "t");
  fs::create_directories(dir / "snapshots");
  test::write_text(dir / "refs/main", "../outside");
  expect_contains(refusal(), "without any snapshot");
}

}  // namespace
}  // namespace assay
