#include <fmt/core.h>

#include <cmath>

#include "report/table.h"

namespace assay {

namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

/// Every digit; empty where there is no number.
std::string csv_number(double value) {
  return std::isnan(value) ? "" : fmt::format("{}", value);
}

}  // namespace

std::string results_csv(const Result& result) {
  std::string out =
      "label,model_dir,status,format,precision,activations,decoder_bpw,head_bpw,file_bpw,vram_gib,mean_nll,nll_se,ppl,"
      "ppl_se,seconds,error\n";
  for (const ModelResult& model : result.models) {
    const std::vector<std::string> texts = {
        model.label,     model.model_dir,  model.ok() ? "ok" : "failed", model.storage ? model.storage->format : "",
        model.precision, model.activations};
    for (const std::string& text : texts) out += csv_field(text) + ",";
    std::vector<double> numbers(9, NAN);
    if (const auto& s = model.storage) {
      numbers[0] = s->decoder.bpw();
      numbers[1] = s->head.bpw();
      numbers[2] = model.file_bpw();
      numbers[3] = s->vram_gib();
    }
    if (const auto& m = model.measured) {
      numbers[4] = m->mean_nll;
      numbers[5] = m->nll_se;
      numbers[6] = m->ppl;
      numbers[7] = m->ppl_se;
      numbers[8] = m->seconds;
    }
    for (const double number : numbers) out += csv_number(number) + ",";
    out += csv_field(model.error) + "\n";
  }
  return out;
}

}  // namespace assay
