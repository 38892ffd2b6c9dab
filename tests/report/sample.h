#pragma once
#include <cmath>

#include "report/result.h"

namespace assay::test {

/// A run of three models: a plain one, one whose bits the spec overrides, and one that failed.
inline Result sample_result() {
  Storage storage;
  storage.decoder = {37748736, 2359296};
  storage.head = {4194304, 262144};
  storage.embedding = {4194304, 262144};
  storage.other = {28672, 0};
  storage.file_bytes = 5772800;
  storage.roles = {{"weights", 41943040}};
  storage.formats = {{"dense/bf16", {41943040, 2621440}}};
  storage.layers = {{37748736, 2359296}};
  storage.tensors = {{"lm_head.weight", 1024, 256, "dense/bf16", 4194304}};
  storage.format = "dense/bf16";
  storage.activations = "none";
  storage.compare_q = {.bpw_layer = 16, .bpw_head = 16, .vram_gib = 0.0048828125};

  Measurement measured;
  measured.mean_nll = 3.8465015696801252;
  measured.nll_se = 0.0625;
  measured.ppl = 46.82894851368215;
  measured.ppl_se = 2.9268092821051344;
  measured.row_nll = {3.4840859828864685, 4.2};
  measured.nll_df = 1;
  measured.clusters = {{888.4419256360495, 1071}, {255, 255}};
  measured.seconds = 12.25;
  measured.tokens_per_second = 167.5;
  measured.peak_rss_bytes = 123456789;
  measured.stage_seconds = {{"head", 1.5}};

  Result result;
  result.device = "cpu";
  result.threads = 2;
  result.complete = true;
  result.data = {.dataset = "wikitext2",
                 .rows = 2,
                 .length = 256,
                 .stride = 256,
                 .warmup = 0,
                 .tokens_scored = 510,
                 .tokens_sha256 = "dd54",
                 .protocol = "P1",
                 .prefix = 0,
                 .first_scored = 0,
                 .bos = 0,
                 .corpus_tokens = 526813,
                 .text_sha256 = "c5b5",
                 .clusters = "rows",
                 .notes = {}};
  ModelResult plain;
  plain.label = "HF BF16";
  plain.model_dir = "models/base";
  plain.precision = "f32";
  plain.activations = plain.kv_cache = "as-deployed";
  plain.architecture = "llama";
  plain.storage = storage;
  plain.measured = measured;

  ModelResult overridden = plain;
  overridden.label = "NVFP4 dequantisé";
  overridden.override_bpw_layer = 4.5;
  overridden.override_vram_bits = 38654705664.0;
  overridden.measured->nll_se = overridden.measured->ppl_se = NAN;
  overridden.cached = true;

  ModelResult failed;
  failed.label = "broken, \"quoted\"";
  failed.model_dir = "models/none";
  failed.error = "models/none: no such folder";
  failed.precision = "f32";
  failed.activations = failed.kv_cache = "as-deployed";

  result.models = {plain, overridden, failed};
  return result;
}

/// What summarize() says of made-up measures that grow with `level`.
inline Comparison sample_comparison(double level) {
  constexpr Windows kWindows{.rows = 2, .count = 255, .length = 256, .stride = 256, .offset = 1};
  TokenMeasures m{.rows = 2, .count = 256};
  for (int i = 0; i < 512; ++i) {
    m.kld.push_back(level * std::exp(3 * std::sin(i * 0.7)));
    m.reverse_kld.push_back(m.kld.back() * 1.25);
    m.jensen_shannon.push_back(m.kld.back() / 5);
    m.reference_confidence.push_back(static_cast<float>(i % 100) / 100);
    m.reference_top_rank.push_back(i % 11 == 0 ? 3 : 0);
    m.target_difference.push_back(i % 2 == 0 ? -0.01F : 0.02F);
    m.top5_common.push_back(4);
    m.top10_common.push_back(9);
    m.top5_equal.push_back(i % 3 == 0);
  }
  Comparison c;
  c.reference = "HF BF16";
  c.reference_content = "f00d";
  c.vocabulary = 1024;
  c.divergence = summarize(m, kWindows, Clustering::rows);
  c.worst.resize(c.divergence.worst.size(), {"the <b>quick</b> ", "brown", " fox & \"co\""});
  c.view = {{0, 0, "The", 0.5 * level, {{"The", 0.5}, {" A", 0.25}}, {{"The", 0.4}, {"<s>", 0.3}}},
            {0, 1, " qu<i>ck\n", 2.5 * level, {{" quick", 0.9}}, {{" slow", 0.6}}}};
  return c;
}

/// The same run with a reference, two models compared with it, and the noise floor.
inline Result sample_kld_result() {
  Result result = sample_result();
  result.models[0].role = ModelRole::reference;
  result.models[1].measured->comparison = sample_comparison(0.01);
  ModelResult worse = result.models[0];
  worse.role = ModelRole::model;
  worse.label = "NVFP4 <script>alert(1)</script>";
  worse.measured->mean_nll += 0.1;
  worse.measured->ppl = std::exp(worse.measured->mean_nll);
  worse.measured->row_nll = {3.58, 4.31};
  worse.measured->clusters = {{912.9, 1099.05}, {255, 255}};
  worse.measured->comparison = sample_comparison(0.1);
  ModelResult floor = worse;
  floor.role = ModelRole::noise_floor;
  floor.group = "noise_floor";
  floor.label = "noise floor";
  floor.measured->comparison = sample_comparison(0.0001);
  result.models.insert(result.models.begin() + 2, {worse, floor});
  return result;
}

}  // namespace assay::test
