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

}  // namespace assay::test
