#include "report/json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace assay {

namespace {

// Keys in the order of the schema. A NaN is written as null.
using Ordered = nlohmann::ordered_json;

std::string text_of(const Ordered& json, int indent, bool ascii) {
  return json.dump(indent, ' ', ascii, Ordered::error_handler_t::replace) + "\n";
}

Ordered or_null(const std::string& text) {
  return text.empty() ? Ordered() : Ordered(text);
}

Ordered bits_json(const Bits& bits) {
  return {{"bits", bits.bits}, {"weights", bits.weights}, {"bpw", bits.bpw()}};
}

Ordered compare_q_numbers(const Storage::CompareQ& numbers) {
  return {{"bpw_layer", numbers.bpw_layer}, {"bpw_head", numbers.bpw_head}, {"vram_gib", numbers.vram_gib}};
}

Ordered storage_json(const Storage& s) {
  Ordered formats = Ordered::object();
  for (const auto& [format, bits] : s.formats) formats[format] = bits_json(bits);
  return {{"decoder", bits_json(s.decoder)},
          {"head", bits_json(s.head)},
          {"embedding", bits_json(s.embedding)},
          {"other", bits_json(s.other)},
          {"file", {{"bytes", s.file_bytes}}},
          {"roles", s.roles},
          {"formats", formats},
          {"vram_gib", s.vram_gib()},
          {"compare_q", compare_q_numbers(s.compare_q)}};
}

Ordered bits_of(const ModelResult& model) {
  if (!model.storage) return {};
  Ordered bits = storage_json(*model.storage);
  bits["compare_q"] = compare_q_numbers(model.compare_q());
  bits["overridden"] = model.overridden();
  return bits;
}

Ordered model_json(const ModelResult& model) {
  Measurement none;
  none.mean_nll = none.nll_se = none.ppl = none.ppl_se = none.seconds = none.tokens_per_second = NAN;
  const Measurement& m = model.measured ? *model.measured : none;
  std::vector<std::string> notes = model.notes;
  notes.insert(notes.end(), m.notes.begin(), m.notes.end());
  return {{"label", model.label},
          {"model_dir", model.model_dir},
          {"status", model.ok() ? "ok" : "failed"},
          {"error", or_null(model.error)},
          {"architecture", or_null(model.architecture)},
          {"format", model.storage ? Ordered(model.storage->format) : Ordered()},
          {"activations", model.activations},
          {"declared_activations", model.storage ? Ordered(model.storage->activations) : Ordered()},
          {"kv_cache", model.kv_cache},
          {"precision", model.precision},
          {"bits", bits_of(model)},
          {"mean_nll", m.mean_nll},
          {"nll_se", m.nll_se},
          {"ppl", m.ppl},
          {"ppl_se", m.ppl_se},
          {"row_nll", model.measured ? Ordered(m.row_nll) : Ordered()},
          {"top1_agree", nullptr},
          {"kld", nullptr},
          {"seconds", m.seconds},
          {"tokens_per_second", m.tokens_per_second},
          {"peak_rss_bytes", model.measured ? Ordered(m.peak_rss_bytes) : Ordered()},
          {"stages", m.stage_seconds},
          {"cached", model.cached},
          {"notes", notes}};
}

Ordered data_json(const DataRecord& data) {
  return {{"dataset", data.dataset},
          {"rows", data.rows},
          {"length", data.length},
          {"stride", data.stride},
          {"warmup", data.warmup},
          {"tokens_scored", data.tokens_scored},
          {"tokens_sha256", data.tokens_sha256},
          {"protocol", data.protocol},
          {"prefix", data.prefix},
          {"first_scored", data.first_scored},
          {"bos", data.bos ? Ordered(*data.bos) : Ordered()},
          {"corpus_tokens", data.corpus_tokens},
          {"text_sha256", or_null(data.text_sha256)},
          {"clusters", data.clusters},
          {"notes", data.notes}};
}

Ordered inspect_record_json(const InspectRecord& record) {
  Ordered json = {{"model_dir", record.model_dir},
                  {"status", record.error.empty() ? "ok" : "failed"},
                  {"error", or_null(record.error)},
                  {"architecture", or_null(record.architecture)},
                  {"declared", or_null(record.declared)},
                  {"format", nullptr},
                  {"bits", nullptr},
                  {"tensors", Ordered::object()},
                  {"notes", record.notes}};
  if (!record.storage) return json;
  const Storage& storage = *record.storage;
  json["format"] = storage.format;
  json["activations"] = storage.activations;
  json["mismatches"] = storage.mismatches;
  json["bits"] = storage_json(storage);
  json["layers"] = Ordered::array();
  for (const Bits& layer : storage.layers) json["layers"].push_back(bits_json(layer));
  for (const Storage::Tensor& tensor : storage.tensors) {
    Ordered& entry = json["tensors"][tensor.name];
    entry = {{"shape", {tensor.rows, tensor.cols}}, {"format", tensor.format}, {"bits", tensor.bits}};
    if (const auto hash = record.sha256.find(tensor.name); hash != record.sha256.end()) entry["sha256"] = hash->second;
  }
  return json;
}

}  // namespace

std::string results_json(const Result& result) {
  Ordered models = Ordered::array();
  for (const ModelResult& model : result.models) models.push_back(model_json(model));
  const Ordered assay = {{"version", kVersion}, {"device", result.device}, {"threads", result.threads}};
  return text_of({{"schema", "assay.results/1"},
                  {"assay", assay},
                  {"complete", result.complete},
                  {"data", data_json(result.data)},
                  {"models", models}},
                 1, false);
}

std::string compare_q_json(const Result& result) {
  Ordered models = Ordered::array();
  for (const ModelResult& model : result.models) {
    if (!model.ok()) continue;
    const Storage::CompareQ numbers = model.compare_q();
    models.push_back({{"label", model.label},
                      {"layer_bpw", numbers.bpw_layer},
                      {"head_bpw", numbers.bpw_head},
                      {"vram_gb", numbers.vram_gib},
                      {"ppl", model.measured->ppl}});
  }
  return text_of(models, 4, true);  // as Python's json.dumps: ASCII only
}

std::string inspect_json(const std::vector<InspectRecord>& records) {
  Ordered models = Ordered::array();
  for (const InspectRecord& record : records) models.push_back(inspect_record_json(record));
  return text_of({{"schema", "assay.inspect/1"}, {"models", models}}, 1, false);
}

Json measurement_to_json(const Measurement& m) {
  return {{"mean_nll", m.mean_nll},
          {"nll_se", m.nll_se},
          {"ppl", m.ppl},
          {"ppl_se", m.ppl_se},
          {"row_nll", m.row_nll},
          {"seconds", m.seconds},
          {"tokens_per_second", m.tokens_per_second},
          {"peak_rss_bytes", m.peak_rss_bytes},
          {"stages", m.stage_seconds},
          {"notes", m.notes}};
}

Measurement measurement_from_json(const JsonObject& json) {
  const auto number = [](const Json* value) { return value && value->is_number() ? value->get<double>() : NAN; };
  Measurement m;
  m.mean_nll = number(json.find("mean_nll"));
  m.nll_se = number(json.find("nll_se"));
  m.ppl = number(json.find("ppl"));
  m.ppl_se = number(json.find("ppl_se"));
  m.seconds = number(json.find("seconds"));
  m.tokens_per_second = number(json.find("tokens_per_second"));
  m.peak_rss_bytes = static_cast<uint64_t>(json.integer("peak_rss_bytes"));
  if (const Json* rows = json.find("row_nll"))
    for (const Json& value : *rows) m.row_nll.push_back(number(&value));
  if (const Json* stages = json.find("stages"))
    for (const auto& [stage, seconds] : stages->items()) m.stage_seconds[stage] = number(&seconds);
  m.notes = json.strings("notes");
  return m;
}

}  // namespace assay
