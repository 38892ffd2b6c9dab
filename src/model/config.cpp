#include "model/config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "checkpoint/printable.h"
#include "model/arch/library_sizes.h"
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

/// Sections of multimodal configs that describe the language model.
constexpr std::array kTextSections = {"text_config", "llm_config", "language_config"};

/// Fills in the sizes that the library knows without being told.
Json with_library_sizes(Json text) {
  if (!text.contains("model_type") || !text.at("model_type").is_string()) return text;
  const auto known =
      std::ranges::find(kLibrarySizes, text.at("model_type").get<std::string>(), &LibrarySizes::model_type);
  if (known == kLibrarySizes.end()) return text;
  const auto fill = [&](const char* key, int64_t size) {
    if (size > 0 && !text.contains(key)) text[key] = size;
  };
  // Of heads that the section gives another number, the library derives no other sizes.
  fill("vocab_size", known->vocab);
  fill("hidden_size", known->hidden);
  fill("intermediate_size", known->intermediate);
  fill("num_hidden_layers", known->layers);
  fill("num_attention_heads", known->heads);
  fill("num_key_value_heads", known->kv_heads);
  fill("head_dim", known->head_dim);
  return text;
}

/// config.json with the section that describes the language model, and who decides about ties.
struct Config {
  JsonObject whole;
  Json filled;  ///< what `text` reads
  std::optional<JsonObject> text;
  std::optional<bool> tied;

  explicit Config(const Checkpoint& checkpoint)
      : whole(checkpoint.config(), checkpoint.path().string() + (checkpoint.gguf() ? ": metadata" : ": config.json")),
        text(section_of(whole)) {
    if (whole.json().empty()) fail("{}: missing or empty; assay needs it to know the model", whole.where());
    if (!text) return;
    filled = with_library_sizes(text->json());
    text = JsonObject(filled, std::string(text->where()));
    // Only ties are decided outside.
    if (whole.has("tie_word_embeddings")) tied = whole.boolean("tie_word_embeddings");
  }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  /// Speech models have it inside of another one.
  static std::optional<JsonObject> section_of(const JsonObject& object) {
    for (const char* key : kTextSections)
      if (auto section = object.object_if(key)) return section;
    if (const auto thinker = object.object_if("thinker_config")) return section_of(*thinker);
    return std::nullopt;
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

/// What a multimodal checkpoint stores beside its language model: "model.visual (390 tensors)".
std::string other_parts(const Checkpoint& checkpoint, const ModelSpec& model) {
  const std::string decoder = model.embedding.substr(0, model.embedding.rfind('.') + 1);
  std::map<std::string, int64_t> parts;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (name.starts_with(decoder + "layers.") || name.starts_with(model.embedding + ".") ||
        name.starts_with(model.head.module + ".") || name == model.final_norm.weight || name == model.final_norm.bias)
      continue;
    size_t end = name.find('.');
    const bool outer = name.starts_with("model.") || name.starts_with("thinker.");
    if (outer && end != std::string::npos) end = name.find('.', end + 1);
    ++parts[name.substr(0, end)];
  }
  std::vector<std::string> listed;
  for (const auto& [part, count] : parts) {
    if (listed.size() == 8) {
      listed.push_back(fmt::format("and {} more", parts.size() - listed.size()));
      break;
    }
    listed.push_back(fmt::format("{} ({} tensors)", printable(part), count));
  }
  return fmt::format("{}", fmt::join(listed, ", "));
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
  if (config.text) {
    const std::string others = other_parts(checkpoint, model);
    model.notes.push_back("only the language model of this multimodal checkpoint is measured" +
                          (others.empty() ? "" : "; skipped: " + others));
  }
  return model;
}

}  // namespace assay
