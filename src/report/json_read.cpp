#include <cmath>

#include "base/error.h"
#include "report/json_parts.h"

namespace assay {

namespace {

constexpr const char* kSchema = "assay.results/1";

uint64_t bits_of(const JsonObject& json, const char* key) {
  return static_cast<uint64_t>(count_of(json, key));
}

Bits read_bits(const JsonObject& json) {
  return {bits_of(json, "bits"), bits_of(json, "weights")};
}

Storage read_storage(const JsonObject& json) {
  Storage s;
  s.decoder = read_bits(json.object("decoder"));
  s.head = read_bits(json.object("head"));
  s.embedding = read_bits(json.object("embedding"));
  s.other = read_bits(json.object("other"));
  s.file_bytes = bits_of(json.object("file"), "bytes");
  if (s.file_bytes > UINT64_MAX / 8) json.refuse("file", "a size below 2^61");
  if (const auto roles = json.object_if("roles"))
    for (const auto& [role, bits] : roles->json().items()) s.roles[role] = bits_of(*roles, role.c_str());
  if (const auto formats = json.object_if("formats"))
    for (const auto& [format, bits] : formats->json().items())
      s.formats[format] = read_bits(formats->object(format.c_str()));
  const JsonObject compare_q = json.object("compare_q");
  s.compare_q = {number_or_nan(compare_q, "bpw_layer"), number_or_nan(compare_q, "bpw_head"),
                 number_or_nan(compare_q, "vram_gib")};
  return s;
}

std::optional<double> number_if(const JsonObject& json, const char* key) {
  return json.has(key) ? std::optional(json.number(key)) : std::nullopt;
}

ModelRole read_role(const JsonObject& json) {
  const std::string name = json.string_or("role", name_of(ModelRole::model));
  for (const ModelRole role : {ModelRole::model, ModelRole::reference, ModelRole::noise_floor})
    if (name == name_of(role)) return role;
  json.refuse("role", "model, reference or noise_floor");
}

void read_accounting(const JsonObject& json, ModelResult& model) {
  const std::optional<JsonObject> bits = json.object_if("bits");
  if (!bits) return;
  model.storage = read_storage(*bits);
  model.storage->format = json.string_or("format", "");
  model.storage->activations = json.string_or("declared_activations", "");
  model.tied = bits->boolean_or("tied", false);
  if (const auto overrides = bits->object_if("overrides")) {
    model.override_bpw_layer = number_if(*overrides, "bpw_layer");
    model.override_bpw_head = number_if(*overrides, "bpw_head");
    model.override_vram_bits = number_if(*overrides, "vram_bits");
  }
}

/// Every row of the run, and no other.
void check_rows(const JsonObject& json, const char* key, size_t found, int64_t rows) {
  if (found != 0 && static_cast<int64_t>(found) != rows)
    fail("{}: {} has {} numbers, but the run has {} rows", json.where(), key, found, rows);
}

ModelResult read_model(const JsonObject& json, int64_t rows) {
  ModelResult model;
  model.label = json.string("label");
  model.model_dir = json.string_or("model_dir", "");
  model.group = json.string_or("group", "");
  model.role = read_role(json);
  model.error = json.string_or("error", "");
  const std::string status = json.string("status");
  if (status != (model.ok() ? "ok" : "failed"))
    json.refuse("status", model.ok() ? "ok" : "failed, as there is an error");
  model.architecture = json.string_or("architecture", "");
  model.activations = json.string_or("activations", "");
  model.kv_cache = json.string_or("kv_cache", "");
  model.precision = json.string_or("precision", "");
  read_accounting(json, model);
  if (json.has("mean_nll")) {
    model.measured = measurement_from_json(json);
    model.measured->notes.clear();  // the list under this key is the model's
    check_rows(json, "row_nll", model.measured->row_nll.size(), rows);
    if (model.has_comparison())
      check_rows(json, "kld.row_mean", model.measured->comparison->divergence.row_mean.size(), rows);
  }
  if (model.ok() && (!model.measured || !model.storage))
    fail("{}: status is ok, but {} missing", json.where(), model.storage ? "mean_nll is" : "the bits are");
  model.cached = json.boolean_or("cached", false);
  model.notes = json.strings("notes");
  return model;
}

DataRecord read_data(const JsonObject& json) {
  DataRecord data;
  data.dataset = json.string_or("dataset", "");
  data.rows = count_of(json, "rows");
  data.length = count_of(json, "length");
  data.stride = count_of(json, "stride");
  data.warmup = count_of(json, "warmup");
  data.tokens_scored = count_of(json, "tokens_scored");
  data.tokens_sha256 = json.string("tokens_sha256");
  data.protocol = json.string_or("protocol", "");
  data.prefix = count_of(json, "prefix");
  data.first_scored = count_of(json, "first_scored");
  if (json.has("bos")) data.bos = static_cast<int32_t>(json.integer("bos"));
  data.corpus_tokens = count_of(json, "corpus_tokens");
  data.text_sha256 = json.string_or("text_sha256", "");
  data.clusters = json.string_or("clusters", "");
  data.subtitle = json.string_or("subtitle", "");
  data.notes = json.strings("notes");
  return data;
}

}  // namespace

Result results_from_json(const Json& value, const std::string& where) {
  const JsonObject json(value, where);
  const std::string schema = json.string_or("schema", "none");
  if (schema != kSchema)
    fail("{}: expected a report of assay (schema {}), found schema {}; such a file is written by assay compare -o",
         where, kSchema, schema);
  Result result;
  const JsonObject assay = json.object("assay");
  result.version = assay.string_or("version", "");
  result.device = assay.string_or("device", "");
  result.threads = static_cast<int>(std::min<int64_t>(count_of(assay, "threads"), INT32_MAX));
  result.complete = json.boolean_or("complete", true);
  result.data = read_data(json.object("data"));
  const Json* models = json.find("models");
  if (!models || !models->is_array()) json.refuse("models", "a list of objects");
  for (size_t i = 0; i < models->size(); ++i)
    result.models.push_back(
        read_model(JsonObject((*models)[i], fmt::format("{}: models[{}]", where, i)), result.data.rows));
  return result;
}

}  // namespace assay
