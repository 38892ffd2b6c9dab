#pragma once
#include <fmt/core.h>

#include "report/sample.h"

namespace assay::test {

/// A model of its own size and quality, measured on the rows of sample_result().
inline ModelResult chart_model(const std::string& label, double bpw, double nll, double kld) {
  ModelResult model = sample_result().models[0];
  model.label = label;
  model.storage->decoder.bits = static_cast<uint64_t>(bpw * static_cast<double>(model.storage->decoder.weights));
  Measurement& m = *model.measured;
  m.mean_nll = nll;
  m.ppl = std::exp(nll);
  m.row_nll = {nll - 0.2, nll + 0.2};
  m.clusters = {{255 * (nll - 0.2), 255 * (nll + 0.2)}, {255, 255}};
  if (kld > 0) m.comparison = sample_comparison(kld);
  return model;
}

/// A reference and `count` models on curves as they occur, in eleven families.
inline Result chart_result(int count) {
  Result result = sample_result();
  result.models = {chart_model("HF FP16", 16, 2.2, 0)};
  result.models[0].role = ModelRole::reference;
  for (int i = 0; i < count; ++i) {
    const double bpw = 2 + 6.0 * i / count;
    const double loss = std::exp2(-1.5 * bpw) * (1 + i % 11);
    result.models.push_back(chart_model(fmt::format("F{} model {}", i % 11, i), bpw, 2.2 + loss, loss / 2));
  }
  return result;
}

}  // namespace assay::test
