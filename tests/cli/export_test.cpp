#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "formats/format.h"
#include "formats/shared/minifloat.h"
#include "model/config.h"
#include "model/linears.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::vector<float> decode(const StoredWeight& weight) {
  std::vector<float> values(static_cast<size_t>(weight.rows() * weight.cols()));
  weight.decode(0, weight.rows(), values.data());
  return values;
}

/// Every matrix of a model by its stored name.
std::map<std::string, std::vector<float>> matrices(const fs::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  std::map<std::string, std::vector<float>> found;
  found[spec.embedding] = decode(*open_embedding(checkpoint, quant, spec));
  found[spec.head.module] = decode(*open_head(checkpoint, quant, spec));
  for_each_linear(
      spec, [&](const LinearSpec& linear) { found[linear.module] = decode(*open_linear(checkpoint, quant, linear)); });
  return found;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string error_of(const ExportRequest& request) {
  return test::error_of([&] { run(request); });
}

void expect_mentions(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

class Export : public testing::Test {
 protected:
  ExportRequest request(const fs::path& model, DType dtype = DType::F32) const {
    ExportRequest request;
    request.model = model;
    request.to = dir_ / "out";
    request.dtype = dtype;
    request.threads = 2;
    return request;
  }
  static fs::path nvfp4() { return test::test_data() / "nvfp4"; }
  test::TempDir dir_;
};

TEST_F(Export, AsF32KeepsEveryBitOfTheWeightsAndOfTheRest) {
  ASSERT_EQ(run(request(nvfp4())), 0);
  EXPECT_EQ(matrices(dir_ / "out"), matrices(nvfp4()));
  const Checkpoint before = Checkpoint::open(nvfp4()), after = Checkpoint::open(dir_ / "out");
  for (const char* norm : {"model.norm.weight", "model.layers.2.input_layernorm.weight"}) {
    EXPECT_EQ(after.at(norm).dtype, before.at(norm).dtype);
    EXPECT_EQ(after.read(after.at(norm)), before.read(before.at(norm)));
  }
  EXPECT_EQ(QuantConfig::of(after).method(), "");
  EXPECT_EQ(after.config()["torch_dtype"], "float32");
  EXPECT_EQ(after.tensors().size(), 3u * 9 + 3) << "nothing of the codes is left";
  EXPECT_EQ(after.notes(), std::vector<std::string>{});
  for (const std::string name : {"tokenizer.json", "tokenizer_config.json"}) {
    if (fs::exists(nvfp4() / name)) {
      EXPECT_EQ(test::read_text(dir_ / "out" / name), test::read_text(nvfp4() / name));
    }
  }
}

TEST_F(Export, RoundsToTheNarrowTypes) {
  for (const DType dtype : {DType::BF16, DType::F16}) {
    ExportRequest narrow = request(nvfp4(), dtype);
    narrow.force = dtype == DType::F16;
    ASSERT_EQ(run(narrow), 0);
    const auto exact = matrices(nvfp4()), rounded = matrices(dir_ / "out");
    for (const auto& [name, values] : exact) {
      for (size_t i = 0; i < values.size(); ++i) {
        const float nearest =
            dtype == DType::F16 ? float_of_f16(bits_of_f16(values[i])) : float_of_bf16(bits_of_bf16(values[i]));
        ASSERT_EQ(rounded.at(name)[i], nearest) << name << ' ' << i;
        ASSERT_NEAR(nearest, values[i], std::abs(values[i]) / 256 + 1e-7);
      }
    }
    EXPECT_EQ(read_json(dir_ / "out" / "config.json")["torch_dtype"], dtype == DType::F16 ? "float16" : "bfloat16");
  }
}

TEST_F(Export, CutsLargeModelsIntoShards) {
  ExportRequest small = request(nvfp4());
  small.shard_bytes = 2 << 20;
  ASSERT_EQ(run(small), 0);
  const Json index = read_json(dir_ / "out" / "model.safetensors.index.json");
  const Checkpoint checkpoint = Checkpoint::open(dir_ / "out");
  EXPECT_GT(checkpoint.files().size(), 3u);
  EXPECT_EQ(index["weight_map"].size(), checkpoint.tensors().size());
  for (const auto& file : checkpoint.files()) EXPECT_LT(file.bytes, (2u << 20) + 10000) << file.path;
  EXPECT_EQ(matrices(dir_ / "out"), matrices(nvfp4()));
  // One file replaces the shards and their index.
  ExportRequest whole = request(nvfp4());
  whole.force = true;
  ASSERT_EQ(run(whole), 0);
  EXPECT_FALSE(fs::exists(dir_ / "out" / "model.safetensors.index.json"));
  EXPECT_EQ(Checkpoint::open(dir_ / "out").files().size(), 1u);
}

TEST_F(Export, LeavesFoldersWithFilesAlone) {
  fs::create_directory(dir_ / "out");
  test::write_text(dir_ / "out" / "mine.txt", "keep");
  expect_mentions(error_of(request(nvfp4())), "--force");
  EXPECT_EQ(names_in(dir_ / "out"), std::vector<std::string>{"mine.txt"});
  ExportRequest forced = request(nvfp4());
  forced.force = true;
  EXPECT_EQ(run(forced), 0);
  EXPECT_EQ(test::read_text(dir_ / "out" / "mine.txt"), "keep");

  test::write_text(dir_ / "file", "");
  ExportRequest file = request(nvfp4());
  file.to = dir_ / "file";
  expect_mentions(error_of(file), "not a folder");
  forced.model = forced.to;
  expect_mentions(error_of(forced), "the model itself");
  EXPECT_NO_THROW(Checkpoint::open(forced.to));
}

TEST_F(Export, LeavesNothingBehindWhenWritingFails) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    try {
      run(request(nvfp4()));
      _exit(1);
    } catch (const Error& error) {
      _exit(std::string(error.what()).find("cannot write") != std::string::npos ? 0 : 2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(Export, RefusesRotationsAtRunTime) {
  ASSAY_REQUIRE_FIXTURES();
  const std::string message = error_of(request(test::fixtures() / "compressed_tensors" / "quip_w4a8"));
  expect_mentions(message, "rotates activations");
  expect_mentions(message, "model.layers.0.");
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(Export, KeepsTheGoldenWeightsOfOtherTools) {
  ASSAY_REQUIRE_FIXTURES();
  for (const char* name : {"compressed_tensors/moe_w4a16", "bitsandbytes/nf4-dq-head", "vptq/vptq-v6-k1024-outlier"}) {
    SCOPED_TRACE(name);
    ExportRequest next = request(test::fixtures() / name);
    next.force = true;
    ASSERT_EQ(run(next), 0);
    EXPECT_EQ(matrices(dir_ / "out"), matrices(next.model));
  }
}

/// The linears of all layers by the names of the plain model.
std::map<std::string, std::vector<float>> linears(const fs::path& model) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint);
  std::map<std::string, std::vector<float>> values;
  for_each_linear(spec, [&](const LinearSpec& linear) {
    std::vector<float>& own = values[linear.dense_name];
    own.resize(static_cast<size_t>(linear.out * linear.in));
    decode_linear(*open_linear(checkpoint, quant, linear), linear, 0, linear.out, own.data());
  });
  return values;
}

TEST_F(Export, PackedExpertsOfGptOssBecomeTheTransposedParameter) {
  ASSAY_REQUIRE_FIXTURES();
  const ExportRequest packed = request(test::fixtures() / "mxfp4/gptoss-3x2");
  ASSERT_EQ(run(packed), 0);
  const Checkpoint plain = Checkpoint::open(dir_ / "out");
  EXPECT_EQ(plain.at("model.layers.0.mlp.experts.gate_up_proj").shape, (std::vector<int64_t>{3, 256, 1536}));
  EXPECT_EQ(plain.at("model.layers.0.mlp.experts.down_proj").shape, (std::vector<int64_t>{3, 768, 256}));
  const auto expected = linears(packed.model), found = linears(dir_ / "out");
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, values] : expected) EXPECT_TRUE(found.at(name) == values) << name;
}

}  // namespace
}  // namespace assay
