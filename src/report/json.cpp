#include "report/json.h"

#include "report/json_parts.h"

namespace assay {

namespace {

using Ordered = OrderedJson;

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

Ordered overrides_json(const ModelResult& model) {
  Ordered out = Ordered::object();
  if (model.override_bpw_layer) out["bpw_layer"] = *model.override_bpw_layer;
  if (model.override_bpw_head) out["bpw_head"] = *model.override_bpw_head;
  if (model.override_vram_bits) out["vram_bits"] = *model.override_vram_bits;
  return out;
}

Ordered bits_of(const ModelResult& model) {
  if (!model.storage) return {};
  Ordered bits = storage_json(*model.storage);
  bits["file"]["bpw"] = model.file_bpw();
  bits["tied"] = model.tied;
  bits["compare_q"] = compare_q_numbers(model.compare_q());
  bits["overridden"] = model.overridden();
  bits["overrides"] = overrides_json(model);
  return bits;
}

Ordered model_json(const ModelResult& model) {
  Ordered json = {{"label", model.label},
                  {"model_dir", model.model_dir},
                  {"group", null_if_empty(model.group)},
                  {"role", name_of(model.role)},
                  {"status", model.ok() ? "ok" : "failed"},
                  {"error", null_if_empty(model.error)},
                  {"architecture", null_if_empty(model.architecture)},
                  {"format", model.storage ? Ordered(model.storage->format) : Ordered()},
                  {"activations", model.activations},
                  {"declared_activations", model.storage ? Ordered(model.storage->activations) : Ordered()},
                  {"kv_cache", model.kv_cache},
                  {"precision", model.precision},
                  {"bits", bits_of(model)}};
  const Ordered measured = measurement_fields(model.measured.value_or(Measurement()));
  for (const auto& [key, value] : measured.items()) json[key] = model.measured ? value : Ordered();
  std::vector<std::string> notes = model.notes;
  if (model.measured) notes.insert(notes.end(), model.measured->notes.begin(), model.measured->notes.end());
  json["cached"] = model.cached;
  json["notes"] = notes;
  return json;
}

/// Derived from the models, for those who read the file without assay.
Ordered pairs_json(const Result& result) {
  const auto judged = [](const std::optional<Estimate>& difference) -> Ordered {
    if (!difference) return nullptr;
    Ordered out = estimate_json(*difference);
    const Interval interval = difference->interval();
    out["low"] = interval.low;
    out["high"] = interval.high;
    out["p"] = difference->p_value();
    out["indistinguishable"] = ModelPair::indistinguishable(difference);
    return out;
  };
  Ordered out = Ordered::array();
  for (const ModelPair& pair : all_pairs(result)) {
    Ordered entry = {{"a", pair.a}, {"b", pair.b}, {"nll", judged(pair.nll)}, {"kld", judged(pair.kld)}};
    if (pair.nll) {
      entry["nll"]["ppl_ratio"] = std::exp(pair.nll->mean);
      entry["nll"]["rows_positive"] = pair.nll_signs.positive;
      entry["nll"]["rows_nonzero"] = pair.nll_signs.nonzero;
      entry["nll"]["rows_p"] = pair.nll_signs.p;
    }
    out.push_back(entry);
  }
  return out;
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
          {"text_sha256", null_if_empty(data.text_sha256)},
          {"clusters", data.clusters},
          {"subtitle", data.subtitle},
          {"notes", data.notes}};
}

Ordered inspect_record_json(const InspectRecord& record) {
  Ordered json = {{"model_dir", record.model_dir},
                  {"status", record.error.empty() ? "ok" : "failed"},
                  {"error", null_if_empty(record.error)},
                  {"architecture", null_if_empty(record.architecture)},
                  {"declared", null_if_empty(record.declared)},
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
  const Ordered assay = {{"version", result.version}, {"device", result.device}, {"threads", result.threads}};
  return json_text({{"schema", "assay.results/1"},
                    {"assay", assay},
                    {"complete", result.complete},
                    {"data", data_json(result.data)},
                    {"models", models},
                    {"pairs", pairs_json(result)}},
                   1);
}

std::string compare_q_json(const Result& result) {
  Ordered models = Ordered::array();
  for (const ModelResult& model : result.models) {
    if (!model.ok() || model.role == ModelRole::noise_floor) continue;
    const Storage::CompareQ numbers = model.compare_q();
    models.push_back({{"label", model.label},
                      {"layer_bpw", numbers.bpw_layer},
                      {"head_bpw", numbers.bpw_head},
                      {"vram_gb", numbers.vram_gib},
                      {"ppl", model.measured->ppl}});
    if (model.role == ModelRole::reference) {
      models.back()["kld"] = 0.0;
    } else if (model.measured->comparison) {
      models.back()["kld"] = model.measured->comparison->divergence.compare_q;
    }
  }
  return json_text(models, 4, true);  // as Python's json.dumps: ASCII only
}

std::string inspect_json(const std::vector<InspectRecord>& records) {
  Ordered models = Ordered::array();
  for (const InspectRecord& record : records) models.push_back(inspect_record_json(record));
  return json_text({{"schema", "assay.inspect/1"}, {"models", models}}, 1);
}

}  // namespace assay
