#include "report/json.h"

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "report/sample.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

TEST(ResultsJson, HasTheKeysOfTheSchema) {
  const Json json = Json::parse(results_json(test::sample_result()));
  EXPECT_EQ(json["schema"], "assay.results/1");
  EXPECT_EQ(json["assay"]["device"], "cpu");
  EXPECT_EQ(json["assay"]["threads"], 2);
  EXPECT_TRUE(json["assay"].contains("version"));
  for (const char* key : {"dataset", "rows", "length", "stride", "warmup", "tokens_scored", "tokens_sha256"})
    EXPECT_TRUE(json["data"].contains(key)) << key;
  for (const Json& model : json["models"]) {
    for (const char* key : {"label", "model_dir", "status", "error", "architecture", "format", "activations",
                            "precision", "bits", "mean_nll", "nll_se", "ppl", "ppl_se", "row_nll", "top1_agree", "kld",
                            "seconds", "tokens_per_second", "peak_rss_bytes"})
      EXPECT_TRUE(model.contains(key)) << key;
  }
  const Json& bits = json["models"][0]["bits"];
  EXPECT_EQ(bits["decoder"], Json({{"bits", 37748736}, {"weights", 2359296}, {"bpw", 16.0}}));
  EXPECT_EQ(bits["file"]["bytes"], 5772800);
  EXPECT_EQ(bits["roles"]["weights"], 41943040);
  EXPECT_EQ(bits["vram_gib"], 0.0048828125);
  EXPECT_TRUE(bits["other"]["bpw"].is_null());
}

TEST(ResultsJson, KeepsEveryDigit) {
  const Json json = Json::parse(results_json(test::sample_result()));
  EXPECT_EQ(json["models"][0]["mean_nll"].get<double>(), 3.8465015696801252);
  EXPECT_EQ(json["models"][0]["row_nll"][0].get<double>(), 3.4840859828864685);
}

TEST(ResultsJson, WritesNullForWhatDoesNotExist) {
  const Json models = Json::parse(results_json(test::sample_result()))["models"];
  EXPECT_TRUE(models[0]["error"].is_null());
  EXPECT_TRUE(models[1]["ppl_se"].is_null());
  EXPECT_EQ(models[2]["status"], "failed");
  EXPECT_EQ(models[2]["error"], "models/none: no such folder");
  for (const char* key : {"bits", "ppl", "mean_nll", "row_nll", "peak_rss_bytes", "format", "architecture"})
    EXPECT_TRUE(models[2][key].is_null()) << key;
}

TEST(ResultsJson, OverridesStandInCompareQsNumbersOnly) {
  const Json bits = Json::parse(results_json(test::sample_result()))["models"][1]["bits"];
  EXPECT_EQ(bits["decoder"]["bpw"], 16.0);
  EXPECT_EQ(bits["compare_q"]["bpw_layer"], 4.5);
  EXPECT_EQ(bits["compare_q"]["bpw_head"], 16.0);
  EXPECT_EQ(bits["compare_q"]["vram_gib"], 4.5);
  EXPECT_EQ(bits["overridden"], true);
}

TEST(CompareQJson, IsPrintedAsCompareQDoes) {
  EXPECT_EQ(compare_q_json(test::sample_result()),
            "[\n"
            "    {\n"
            "        \"label\": \"HF BF16\",\n"
            "        \"layer_bpw\": 16.0,\n"
            "        \"head_bpw\": 16.0,\n"
            "        \"vram_gb\": 0.0048828125,\n"
            "        \"ppl\": 46.82894851368215\n"
            "    },\n"
            "    {\n"
            "        \"label\": \"NVFP4 dequantis\\u00e9\",\n"
            "        \"layer_bpw\": 4.5,\n"
            "        \"head_bpw\": 16.0,\n"
            "        \"vram_gb\": 4.5,\n"
            "        \"ppl\": 46.82894851368215\n"
            "    }\n"
            "]\n");
}

TEST(InspectJson, ListsTensorsByTheirDenseNames) {
  InspectRecord record;
  record.model_dir = "models/base";
  record.architecture = "llama";
  record.storage = test::sample_result().models[0].storage;
  record.sha256 = {{"lm_head.weight", "c4345c"}};
  InspectRecord failed;
  failed.model_dir = "x";
  failed.error = "x: no such folder";
  const Json json = Json::parse(inspect_json({record, failed}));
  EXPECT_EQ(json["schema"], "assay.inspect/1");
  EXPECT_EQ(json["models"][0]["tensors"]["lm_head.weight"],
            Json({{"shape", {1024, 256}}, {"format", "dense/bf16"}, {"bits", 4194304}, {"sha256", "c4345c"}}));
  EXPECT_EQ(json["models"][0]["bits"]["compare_q"]["bpw_layer"], 16.0);
  EXPECT_EQ(json["models"][1]["error"], "x: no such folder");
  EXPECT_TRUE(json["models"][1]["bits"].is_null());
}

TEST(ResultsJson, SurvivesNamesThatAreNotUtf8) {
  Result result = test::sample_result();
  result.models[0].model_dir = "bad\xff name";
  EXPECT_EQ(Json::parse(results_json(result))["models"][0]["status"], "ok");
}

TEST(MeasurementJson, RoundTrips) {
  Measurement m = *test::sample_result().models[0].measured;
  m.nll_se = NAN;
  m.notes = {"rope table extended"};
  const Json json = Json::parse(measurement_to_json(m).dump());
  const Measurement back = measurement_from_json(JsonObject(json, "test"));
  EXPECT_EQ(back.mean_nll, m.mean_nll);
  EXPECT_TRUE(std::isnan(back.nll_se));
  EXPECT_EQ(back.ppl, m.ppl);
  EXPECT_EQ(back.ppl_se, m.ppl_se);
  EXPECT_EQ(back.row_nll, m.row_nll);
  EXPECT_EQ(back.seconds, m.seconds);
  EXPECT_EQ(back.tokens_per_second, m.tokens_per_second);
  EXPECT_EQ(back.peak_rss_bytes, m.peak_rss_bytes);
  EXPECT_EQ(back.stage_seconds, m.stage_seconds);
  EXPECT_EQ(back.notes, m.notes);
}

TEST(ResultsJson, RoundTripsThroughAFile) {
  const std::string text = results_json(test::sample_kld_result());
  const Json json = Json::parse(text);
  EXPECT_EQ(results_json(results_from_json(json, "test")), text);
}

TEST(ResultsJson, HasTheKldKeysOfTheSchema) {
  const Json models = Json::parse(results_json(test::sample_kld_result()))["models"];
  const Json& kld = models[2]["kld"];
  for (const char* key : {"reference", "mean", "se", "median", "p90", "p95", "p99", "p999", "max", "row_mean",
                          "compare_q", "direction", "histogram", "buckets", "agreement", "nonfinite_share"})
    EXPECT_TRUE(kld.contains(key)) << key;
  EXPECT_EQ(kld["reference"], "HF BF16");
  EXPECT_EQ(kld["agreement"]["top1"]["mean"], models[2]["top1_agree"]);
  EXPECT_TRUE(models[0]["kld"].is_null());
  EXPECT_EQ(models[0]["role"], "reference");
  EXPECT_EQ(models[3]["role"], "noise_floor");
}

TEST(ResultsJson, ComparesEveryPairOfMeasuredModels) {
  const Json pairs = Json::parse(results_json(test::sample_kld_result()))["pairs"];
  ASSERT_EQ(pairs.size(), 6U);
  EXPECT_EQ(pairs[0]["a"], 0);
  EXPECT_EQ(pairs[0]["b"], 1);
  EXPECT_TRUE(pairs[0]["nll"]["indistinguishable"]);
  EXPECT_TRUE(pairs[0]["kld"].is_null());
  EXPECT_TRUE(pairs[5]["kld"].is_object());
}

TEST(ResultsFromJson, RefusesWhatIsNoReport) {
  const auto refused = [](const std::function<void(Json&)>& damage, const char* word) {
    Json json = Json::parse(results_json(test::sample_kld_result()));
    damage(json);
    const std::string message = test::error_of([&] { results_from_json(json, "r.json"); });
    EXPECT_NE(message.find(word), std::string::npos) << message;
    EXPECT_NE(message.find("r.json"), std::string::npos) << message;
  };
  refused([](Json& j) { j["schema"] = "assay.inspect/1"; }, "assay.inspect/1");
  refused([](Json& j) { j.erase("models"); }, "models");
  refused([](Json& j) { j["models"][1].erase("label"); }, "label");
  refused([](Json& j) { j["models"][1]["row_nll"].push_back(1); }, "2 rows");
  refused([](Json& j) { j["models"][1]["role"] = "king"; }, "king");
  refused([](Json& j) { j["models"][1]["status"] = "failed"; }, "status");
  refused([](Json& j) { j["models"][1]["mean_nll"] = nullptr; }, "mean_nll");
  refused([](Json& j) { j["models"][1]["clusters"]["count"] = {1}; }, "clusters");
  refused([](Json& j) { j["models"][1]["clusters"]["count"][0] = -1; }, "count");
  refused([](Json& j) { j["models"][1]["clusters"]["count"] = {9e15, 9e15}; }, "added");
  refused([](Json& j) { j["models"][2]["kld"]["histogram"]["above"] = INT64_MAX; }, "count");
  refused([](Json& j) { j["models"][2]["kld"]["histogram"]["counts"] = {1, 2}; }, "bins");
  refused([](Json& j) { j["models"][2]["kld"]["view"][0]["model"] = {{1, 2}}; }, "probability");
  refused([](Json& j) { j["models"][2]["kld"]["row_mean"] = {1}; }, "2 rows");
  refused([](Json& j) { j["data"]["rows"] = -3; }, "count");
}

}  // namespace
}  // namespace assay
