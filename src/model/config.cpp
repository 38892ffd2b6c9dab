#include "model/config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/source.h"
#include "model/linears.h"

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

const Architecture* find_architecture(std::string_view type) {
  const auto found = std::ranges::find(kArchitectures, type, &Architecture::model_type);
  return found == kArchitectures.end() ? nullptr : &*found;
}

/// config.json with the section that describes the language model, and who decides about ties.
struct Config {
  JsonObject whole;
  std::optional<JsonObject> text;
  std::optional<bool> tied;

  explicit Config(const Checkpoint& checkpoint)
      : whole(checkpoint.config(), checkpoint.path().string() + (checkpoint.gguf() ? ": metadata" : ": config.json")),
        text(whole.object_if("text_config")) {
    if (whole.json().empty()) fail("{}: missing or empty; assay needs it to know the model", whole.where());
    // A multimodal model describes its language model in a section of its own; only ties are decided outside.
    if (text && whole.has("tie_word_embeddings")) tied = whole.boolean("tie_word_embeddings");
  }
  const JsonObject& language() const { return text ? *text : whole; }
};

ModelSpec read(const Checkpoint& checkpoint, const Config& config, const Architecture& architecture) {
  Keys keys(config.language());
  Source source(checkpoint, keys, config.tied);
  ModelSpec model = architecture.read(source);
  model.architecture = architecture.model_type;
  keys.check_unread(model.architecture, model.notes);
  return model;
}

/// The name of a tensor of the decoder that Llama does not have, or empty. A bias counts as foreign where the spec has
/// none.
std::string foreign_tensor(const Checkpoint& checkpoint, const ModelSpec& model) {
  static constexpr std::array kParts = {"self_attn.q_proj.",    "self_attn.k_proj.", "self_attn.v_proj.",
                                        "self_attn.o_proj.",    "mlp.gate_proj.",    "mlp.up_proj.",
                                        "mlp.down_proj.",       "input_layernorm.",  "post_attention_layernorm.",
                                        "self_attn.rotary_emb."};
  std::set<std::string> known;  // biases
  for_each_linear(model, [&](const LinearSpec& linear) { known.insert(linear.bias); });
  const std::string decoder = model.embedding.substr(0, model.embedding.rfind("embed_tokens"));
  const std::string layers = decoder + "layers.";
  for (auto it = checkpoint.tensors().lower_bound(decoder); it != checkpoint.tensors().end(); ++it) {
    const std::string& name = it->first;
    if (!name.starts_with(decoder)) break;
    bool expected = name.starts_with(model.embedding + ".") || name.starts_with(model.head.module + ".") ||
                    name == model.final_norm.weight;
    if (name.starts_with(layers)) {
      const size_t dot = name.find('.', layers.size());
      const std::string part = dot == std::string::npos ? name : name.substr(dot + 1);
      expected = std::ranges::any_of(kParts, [&](const char* known_part) { return part.starts_with(known_part); }) &&
                 (!name.ends_with(".bias") || known.contains(name));
    }
    if (!expected) return name;
  }
  return {};
}

/// A model of unknown type as Llama. Error unless nothing about it speaks against that.
ModelSpec read_as_llama(const Checkpoint& checkpoint, const Config& config, const std::string& type) {
  ModelSpec model = read(checkpoint, config, *find_architecture("llama"));
  if (!model.notes.empty())
    fail("{}; so a model of type {} cannot be taken for Llama", model.notes[0], printable(type));
  if (const std::string tensor = foreign_tensor(checkpoint, model); !tensor.empty()) {
    fail("{}: Llama has no tensor {}; so a model of type {} cannot be taken for it", checkpoint.path().string(),
         printable(tensor), printable(type));
  }
  model.notes.push_back(fmt::format(
      "WARNING: {}: model_type {} is not known to assay; it was run as Llama because you asked for it, and the numbers "
      "mean nothing if it is not",
      config.language().where(), printable(type)));
  return model;
}

[[noreturn]] void refuse_type(const Checkpoint& checkpoint, const Config& config, const std::string& type) {
  bool fits = true;
  try {
    read_as_llama(checkpoint, config, type);
  } catch (const Error&) {
    fits = false;
  }
  const auto near = nearest(type, architectures());
  fail("{}: model_type {} is not implemented{}{}; assay knows: {}", config.language().where(), printable(type),
       near ? ", the nearest is " + *near : "",
       fits ? "; its tensors and keys are Llama's: --assume llama runs it as one" : "",
       fmt::join(architectures(), ", "));
}

}  // namespace

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) names.emplace_back(architecture.model_type);
  return names;
}

ModelSpec read_model_spec(const Checkpoint& checkpoint, const std::string& assume) {
  const Config config(checkpoint);
  const std::string type = config.language().string("model_type");
  const Architecture* architecture = find_architecture(type);
  if (!architecture && assume.empty()) refuse_type(checkpoint, config, type);
  ModelSpec model = architecture ? read(checkpoint, config, *architecture) : read_as_llama(checkpoint, config, type);
  if (config.text) model.notes.push_back("only the language model of this multimodal checkpoint is measured");
  return model;
}

}  // namespace assay
