#include "model/config.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/source.h"

namespace assay {

namespace arch {
#define ASSAY_ARCHITECTURE(model_type, function) ModelSpec function(Source&);
#include "model/arch/architectures.def"
#undef ASSAY_ARCHITECTURE
}  // namespace arch

namespace {

struct Architecture {
  const char* model_type;
  ModelSpec (*read)(Source&);
};

constexpr auto kArchitectures = std::to_array<Architecture>({
#define ASSAY_ARCHITECTURE(model_type, function) {#model_type, arch::function},
#include "model/arch/architectures.def"
#undef ASSAY_ARCHITECTURE
});

const Architecture& architecture_of(const JsonObject& config) {
  const std::string type = config.string("model_type");
  for (const Architecture& architecture : kArchitectures) {
    if (type == architecture.model_type) return architecture;
  }
  const auto near = nearest(type, architectures());
  fail("{}: model_type {} is not implemented{}; assay knows: {}", config.where(), printable(type),
       near ? ", the nearest is " + *near : "", fmt::join(architectures(), ", "));
}

}  // namespace

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) names.emplace_back(architecture.model_type);
  return names;
}

ModelSpec read_model_spec(const Checkpoint& checkpoint) {
  const JsonObject config(checkpoint.config(),
                          checkpoint.path().string() + (checkpoint.gguf() ? ": metadata" : ": config.json"));
  if (config.json().empty()) fail("{}: missing or empty; assay needs it to know the model", config.where());
  // A multimodal model describes its language model in a section of its own; only ties are decided outside.
  const std::optional<JsonObject> text = config.object_if("text_config");
  std::optional<bool> tied;
  if (text && config.has("tie_word_embeddings")) tied = config.boolean("tie_word_embeddings");

  const Architecture& architecture = architecture_of(text.value_or(config));
  Keys keys(text.value_or(config));
  Source source(checkpoint, keys, tied);
  ModelSpec model = architecture.read(source);
  model.architecture = architecture.model_type;
  keys.check_unread(model.architecture, model.notes);
  if (text) model.notes.push_back("only the language model of this multimodal checkpoint is measured");
  return model;
}

}  // namespace assay
