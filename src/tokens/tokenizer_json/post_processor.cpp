#include "tokens/tokenizer_json/post_processor.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace assay::text {

namespace {

int32_t checked_id(const Json& id, const std::string& where, int64_t id_limit) {
  if (!id.is_number_integer() || id < 0 || id >= id_limit) {
    fail("{}: special token id {}, expected 0 to {}", where, id.dump(), id_limit - 1);
  }
  return id.get<int32_t>();
}

/// ["[SEP]", 102]
int32_t pair_id(const JsonObject& step, const char* key, int64_t id_limit) {
  const Json* pair = step.find(key);
  if (!pair || !pair->is_array() || pair->size() != 2) step.refuse(key, "[token, id]");
  return checked_id((*pair)[1], step.where(), id_limit);
}

void append_special(const JsonObject& step, const std::string& name, int64_t id_limit, std::vector<int32_t>& out) {
  const JsonObject special = step.object("special_tokens").object(name.c_str());
  const Json* ids = special.find("ids");
  if (!ids || !ids->is_array()) special.refuse("ids", "a list of ids");
  for (const Json& id : *ids) out.push_back(checked_id(id, special.where(), id_limit));
}

Affixes from_template(const JsonObject& step, int64_t id_limit) {
  const Json* items = step.find("single");
  if (!items || !items->is_array()) step.refuse("single", "a list");
  Affixes affixes;
  int sequences = 0;
  for (const Json& item : *items) {
    const JsonObject part(item, step.where() + ": single");
    if (part.has("SpecialToken")) {
      append_special(step, part.object("SpecialToken").string("id"), id_limit,
                     sequences == 0 ? affixes.before : affixes.after);
    } else if (part.object("Sequence").string("id") == "A") {
      ++sequences;
    } else {
      step.refuse("single", "no sequence but A");
    }
  }
  if (sequences != 1) step.refuse("single", "the sequence A once");
  return affixes;
}

Affixes make_step(const JsonObject& step, int64_t id_limit) {
  const std::string type = step.string("type");
  if (type == "ByteLevel") return {};  // changes offsets, not ids
  if (type == "TemplateProcessing") return from_template(step, id_limit);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return {{pair_id(step, "cls", id_limit)}, {pair_id(step, "sep", id_limit)}};
  }
  if (type != "Sequence") fail("{}: post-processor of type \"{}\" is not known to assay", step.where(), type);

  const Json* list = step.find("processors");
  if (!list || !list->is_array()) step.refuse("processors", "a list");
  Affixes all;
  for (const Json& item : *list) {
    Affixes outer = make_step(JsonObject(item, step.where()), id_limit);
    outer.before.insert(outer.before.end(), all.before.begin(), all.before.end());
    all.before = std::move(outer.before);
    all.after.insert(all.after.end(), outer.after.begin(), outer.after.end());
  }
  return all;
}

}  // namespace

Affixes make_affixes(const Json* section, const std::string& where, int64_t id_limit) {
  if (!section) return {};
  return make_step(JsonObject(*section, where), id_limit);
}

}  // namespace assay::text
