#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "forward/evaluate.h"
#include "model/config.h"
#include "support/safetensors_writer.h"
#include "support/support.h"

namespace assay {
namespace {

// Models without a fixture: tests/data/architectures.json has, for each, the config and the stored names and shapes as
// transformers 5.24 saves them, and what it computes (float32, eager attention) from the weights that are made here.

/// 32 bits of FNV-1a.
uint32_t hash(const std::string& name) {
  uint32_t h = 2166136261u;
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 16777619u;
  return h;
}

/// Between -1 and 1, the same everywhere.
double noise(uint32_t seed, size_t index) {
  uint32_t x = static_cast<uint32_t>(index) * 0x9E3779B9u + seed;
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return static_cast<double>(x ^ (x >> 16)) / 2147483648.0 - 1;
}

/// Matrices keep the size of what they multiply, norms are near 1.
std::vector<float> weights_of(const std::string& name, const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  const bool vector = shape.size() == 1, small = vector || name.ends_with("A_log");
  const double scale = small ? 0.3 : 2 / std::sqrt(static_cast<double>(shape.back()));
  const double middle = small && name.ends_with("weight") ? 1 : 0;
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(middle + scale * noise(hash(name), i)));
  return values;
}

TEST(MoreArchitectures, LogitsAndNllEqualThoseOfTransformers) {
  ThreadPool pool(2);
  const auto device = open_device("cpu", pool);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 16; ++i) ids.push_back((7 * i * i + 3 * i + 5) % 48);
  for (int32_t& id : ids) id = id < 43 ? id : id - 8;  // the last ones stand for images in some models
  const Json models = read_json(test::test_data() / "architectures.json");
  for (const Json& model : models) {
    SCOPED_TRACE(model.at("config").at("model_type").get<std::string>());
    const test::TempDir folder;
    test::SafetensorsWriter file;
    for (const auto& [name, shape] : model.at("tensors").items()) {
      const auto sizes = shape.get<std::vector<int64_t>>();
      file.add<float>(name, DType::F32, sizes, weights_of(name, sizes));
    }
    file.save(folder / "model.safetensors");
    test::write_text(folder / "config.json", model.at("config").dump());

    const Checkpoint checkpoint = Checkpoint::open(folder.path());
    const QuantConfig quant = QuantConfig::of(checkpoint);
    const ModelSpec spec = read_model_spec(checkpoint);
    EXPECT_EQ(spec.notes.size(), model.at("config").contains("text_config") ? 1U : 0U)
        << fmt::format("{}", fmt::join(spec.notes, "; "));
    const Trace ours = trace(*device, {&checkpoint, &quant, &spec}, ids, {});
    const auto vocab = static_cast<size_t>(spec.vocab);
    ASSERT_EQ(ours.logits.size(), ids.size() * vocab);

    // As for the fixtures: float32 in another order, through a few layers, is off by some 1e-5 of logits around 1.
    constexpr double kTolerance = 1e-4;
    const auto last = model.at("logits").get<std::vector<double>>();
    for (size_t i = 0; i < last.size(); ++i) EXPECT_NEAR(ours.logits[15 * vocab + i], last[i], kTolerance) << i;
    const auto nll = model.at("nll").get<std::vector<double>>();
    for (size_t p = 0; p < nll.size(); ++p) {
      double sum = 0;
      for (size_t i = 0; i < vocab; ++i) sum += std::exp(double{ours.logits[p * vocab + i]});
      EXPECT_NEAR(std::log(sum) - ours.logits[p * vocab + static_cast<size_t>(ids[p + 1])], nll[p], 2 * kTolerance)
          << "position " << p;
    }
  }
}

}  // namespace
}  // namespace assay
