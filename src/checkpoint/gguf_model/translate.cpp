#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/gguf_model/model.h"
#include "checkpoint/printable.h"

namespace assay {

namespace gguf {

namespace {

/// What most architectures call them.
constexpr Name kGlobal[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};
constexpr Name kOfLayer[] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj", Rows::rotary},
    {"attn_k", "self_attn.k_proj", Rows::rotary},
    {"attn_v", "self_attn.v_proj"},
    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"attn_sinks", "self_attn.sinks", Rows::parameter},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_gate_inp", "mlp.gate"},
    {"ffn_gate_exps", "mlp.experts.{}.gate_proj", Rows::each_expert},
    {"ffn_up_exps", "mlp.experts.{}.up_proj", Rows::each_expert},
    {"ffn_down_exps", "mlp.experts.{}.down_proj", Rows::each_expert},
    {"ffn_gate_inp_shexp", "mlp.shared_expert_gate", Rows::one_row},
    {"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_expert.up_proj"},
    {"ffn_down_shexp", "mlp.shared_expert.down_proj"},
    {"exp_probs_b", "mlp.gate.e_score_correction_bias", Rows::parameter},
};

const Name* find(std::span<const Name> names, std::string_view stored) {
  const auto it = std::ranges::find_if(names, [&](const Name& name) { return name.stored == stored; });
  return it == names.end() ? nullptr : &*it;
}

std::optional<int> number_of(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// "blk.3.attn_q.weight" in its parts.
struct StoredName {
  std::string_view inner;   // "attn_q.weight"
  std::string_view stem;    // "attn_q"
  std::string_view suffix;  // "weight"
  std::optional<int> layer, expert;

  explicit StoredName(std::string_view name) : inner(name) {
    if (const size_t end = name.find('.', 4); name.starts_with("blk.") && end != std::string_view::npos) {
      layer = number_of(name.substr(4, end - 4));
      inner.remove_prefix(end + 1);
    }
    const size_t dot = inner.rfind('.');
    suffix = dot == std::string_view::npos ? "" : inner.substr(dot + 1);
    stem = inner.substr(0, dot);
    // Experts of early Mixtral files stand alone: "ffn_gate.0".
    if (const size_t last = stem.rfind('.'); layer && last != std::string_view::npos) {
      expert = number_of(stem.substr(last + 1));
      if (expert) stem = stem.substr(0, last);
    }
  }
};

using Order = std::shared_ptr<const std::vector<int64_t>>;

class Translation {
 public:
  Translation(const GgufMetadata& metadata, const GgufTensors& tensors, const Architecture& architecture,
              const Json& config)
      : metadata_(metadata), tensors_(tensors), architecture_(architecture), config_(config) {}

  GgufTensors run() {
    for (const auto& [name, tensor] : tensors_) translate(tensor);
    return std::move(out_);
  }

 private:
  const Name* name_of(const StoredName& name, std::string_view stem) const {
    if (const Name* own = find(architecture_.names, stem)) return own;
    return name.layer ? find(kOfLayer, stem) : find(kGlobal, stem);
  }

  void translate(const StoredTensor& tensor) {
    const StoredName name(tensor.name);
    const std::string stem = std::string(name.stem) + (name.expert ? "_exps" : "");
    if (const Name* whole = find(architecture_.names, name.inner); whole && !name.suffix.empty()) {
      return put(full_name(name, whole->name, ""), tensor);
    }
    const Name* found = name_of(name, stem);
    if (!found && name.layer && stem == "ffn_gate_up_exps") return split_gate_up(tensor, name);
    if (!found) return put(tensor.name, tensor);
    StoredTensor made = tensor;
    // Norms of gated outputs are what they are.
    const bool plain_norm = name.stem.ends_with("norm") && name.stem != "ssm_norm";
    if (architecture_.norms_plus_one && name.suffix == "weight" && plain_norm) made.addend = -1;
    // Not the scales of a quantized weight.
    const bool has_rows = name.suffix == "weight" || name.suffix == "bias" || name.suffix.empty();
    if (has_rows && architecture_.dealt_values) gather_values(made, found->values);
    switch (has_rows || found->rows == Rows::each_expert ? found->rows : Rows::same) {
      case Rows::same:
        break;
      case Rows::rotary:
        if (architecture_.rotary_rows) made.row_order = rotary_order(tensor, name.stem == "attn_k");
        break;
      case Rows::by_part:
        made.row_order = by_part_order(tensor);
        break;
      case Rows::one_row:
        if (made.shape.size() == 1) made.shape.insert(made.shape.begin(), 1);
        break;
      case Rows::one_row_parameter:
        if (made.shape.size() == 1) made.shape.insert(made.shape.begin(), 1);
        [[fallthrough]];
      case Rows::parameter:
        return put(full_name(name, found->name, ""), made);
      case Rows::convolution:
        if (name.suffix == "weight") made.shape.insert(made.shape.begin() + !made.shape.empty(), 1);
        break;
      case Rows::flat:
        made.shape = {made.elements()};
        break;
      case Rows::each_head:
        if (made.shape.size() == 3) made.shape = {made.shape[0] * made.shape[1], made.shape[2]};
        break;
      case Rows::q_k_v:
        return split_qkv(made, name, found->name);
      case Rows::each_expert:
        if (name.expert)
          return put(full_name(name, fmt::format(fmt::runtime(found->name), *name.expert), name.suffix), made);
        return split_experts(made, 0, 1, name, found->name);
    }
    put(full_name(name, found->name, name.suffix), made);
  }

  std::string full_name(const StoredName& name, std::string_view inner, std::string_view suffix) const {
    const std::string dotted = suffix.empty() ? "" : fmt::format(".{}", suffix);
    if (!name.layer) return fmt::format("{}{}", inner, dotted);
    return fmt::format("{}{}.{}{}", architecture_.layers, *name.layer, inner, dotted);
  }

  void put(std::string name, StoredTensor tensor) {
    tensor.name = name;
    if (!out_.emplace(std::move(name), tensor).second) {
      fail("{}: two tensors stand for {}", metadata_.path().string(), printable(tensor.name));
    }
  }

  /// Part `part` of `parts` equal runs of the rows of every expert.
  void split_experts(const StoredTensor& stack, int64_t part, int64_t parts, const StoredName& name,
                     std::string_view pattern) {
    const int64_t experts = stack.shape.empty() ? 0 : stack.shape[0];
    StoredTensor expert = stack;
    expert.shape.erase(expert.shape.begin(), expert.shape.begin() + !expert.shape.empty());
    // A factor for each expert becomes a factor of one element.
    if (expert.shape.empty()) expert.shape = {1};
    if (experts < 1 || expert.shape[0] % parts != 0) {
      fail("{}: tensor {}: expected a stack of experts, found {}", metadata_.path().string(), printable(stack.name),
           stack.describe());
    }
    expert.shape[0] /= parts;
    expert.bytes = stack.bytes / static_cast<uint64_t>(experts * parts);
    for (int64_t e = 0; e < experts; ++e) {
      expert.offset = stack.offset + expert.bytes * static_cast<uint64_t>(e * parts + part);
      put(full_name(name, fmt::format(fmt::runtime(pattern), e), name.suffix), expert);
    }
  }

  void split_qkv(const StoredTensor& fused, const StoredName& name, std::string_view pattern) {
    const auto heads = config_["num_attention_heads"].get<int64_t>();
    const auto groups = config_["num_key_value_heads"].get<int64_t>();
    const int64_t rows = rows_of(fused, heads + 2 * groups), size = rows / (heads + 2 * groups);
    const uint64_t row_bytes = fused.bytes / static_cast<uint64_t>(rows);
    StoredTensor part = fused;
    for (const auto& [letter, count] : {std::pair("q", heads), std::pair("k", groups), std::pair("v", groups)}) {
      part.shape[0] = count * size;
      part.bytes = row_bytes * static_cast<uint64_t>(part.shape[0]);
      put(full_name(name, fmt::format(fmt::runtime(pattern), letter), name.suffix), part);
      part.offset += part.bytes;
    }
  }

  void split_gate_up(const StoredTensor& stack, const StoredName& name) {
    split_experts(stack, 0, 2, name, name_of(name, "ffn_gate_exps")->name);
    split_experts(stack, 1, 2, name, name_of(name, "ffn_up_exps")->name);
  }

  int64_t rows_of(const StoredTensor& tensor, int64_t divisor) const {
    const int64_t rows = tensor.shape.empty() ? 0 : tensor.shape[0];
    if (rows > 0 && divisor > 0 && rows % divisor == 0 && rows <= INT32_MAX) return rows;
    fail("{}: tensor {}: expected rows for {} heads, found {}", metadata_.path().string(), printable(tensor.name),
         divisor, tensor.describe());
  }

  Order rotary_order(const StoredTensor& tensor, bool keys) {
    const auto heads = config_[keys ? "num_key_value_heads" : "num_attention_heads"].get<int64_t>();
    const int64_t size = rows_of(tensor, 2 * heads) / heads;
    Order& order = orders_[{heads, size, 0, 0}];
    if (order) return order;
    auto rows = std::make_shared<std::vector<int64_t>>();
    for (int64_t row = 0; row < heads * size; ++row) {
      const int64_t half = row % size / (size / 2), pair = row % (size / 2);
      rows->push_back(row / size * size + 2 * pair + half);
    }
    return order = rows;
  }

  /// Value heads as Hugging Face has them, those of one key head beside each other.
  void gather_values(StoredTensor& tensor, Values values) {
    if (values == Values::none) return;
    const auto heads = config_["linear_num_value_heads"].get<int64_t>();
    const auto groups = config_["linear_num_key_heads"].get<int64_t>();
    const int64_t size = values == Values::heads ? 1 : config_["linear_value_head_dim"].get<int64_t>();
    const bool columns = values == Values::columns;
    const int64_t rows = tensor.shape.empty() ? 0 : tensor.shape[0];
    // What stays where it is: rows of q and k, or all rows before the columns.
    const int64_t all = !columns ? rows : rows + (tensor.shape.size() == 2 ? tensor.shape[1] : 0);
    const int64_t before = all - heads * size;
    if (rows > INT32_MAX || all - rows > INT32_MAX || before < 0 || (columns && before != rows) ||
        (before > 0 && values == Values::heads)) {
      fail("{}: tensor {}: expected {} value heads of {}, found {}", metadata_.path().string(), printable(tensor.name),
           heads, size, tensor.describe());
    }
    Order& order = orders_[{heads, columns ? -size : size, before, -all}];
    if (!order) {
      auto made = std::make_shared<std::vector<int64_t>>();
      for (int64_t i = 0; i < before; ++i) made->push_back(i);
      const int64_t first = columns ? 0 : before, members = heads / groups;
      for (int64_t i = 0; i < heads * size; ++i) {
        const int64_t head = i / size;
        made->push_back(first + (head % members * groups + head / members) * size + i % size);
      }
      order = made;
    }
    tensor.row_order = order;
  }

  Order by_part_order(const StoredTensor& tensor) {
    const auto heads = config_["num_attention_heads"].get<int64_t>();
    const auto groups = config_["num_key_value_heads"].get<int64_t>();
    const int64_t parts = heads + 2 * groups, size = rows_of(tensor, parts) / parts;
    if (heads % groups != 0) metadata_.refuse("attention.head_count_kv", fmt::format("a divisor of {}", heads));
    Order& order = orders_[{parts, heads, size, 0}];
    if (order) return order;
    auto rows = std::make_shared<std::vector<int64_t>>();
    const auto add = [&](int64_t part) {
      for (int64_t r = 0; r < size; ++r) rows->push_back(part * size + r);
    };
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t q = 0; q < heads / groups; ++q) add(group * (heads / groups) + q);
      add(heads + group);
      add(heads + groups + group);
    }
    return order = rows;
  }

  const GgufMetadata& metadata_;
  const GgufTensors& tensors_;
  const Architecture& architecture_;
  const Json& config_;
  GgufTensors out_;
  std::map<std::array<int64_t, 4>, Order> orders_;
};

}  // namespace
}  // namespace gguf

GgufModel translate_gguf(const GgufMetadata& metadata, const GgufTensors& tensors, const GgufRead& read) {
  if (tensors.empty()) return {Json::object(), {}, {}};  // a vocabulary without a model
  const std::string type = metadata.string_or("general.architecture", "");
  for (const auto rows : {gguf::architectures(), gguf::decoders(), gguf::mixtures(), gguf::hybrids()}) {
    for (const gguf::Architecture& architecture : rows) {
      if (type != architecture.name) continue;
      if (!architecture.sign.empty() && tensors.find(architecture.sign) == tensors.end()) continue;
      gguf::Config config(metadata, tensors, read, architecture);
      GgufTensors translated = gguf::Translation(metadata, tensors, architecture, config.json).run();
      translated.merge(config.made);
      for (const char* key : architecture.unused) config.json.erase(key);
      return {std::move(config.json), std::move(translated), std::move(config.notes)};
    }
  }
  Json config = Json::object();
  if (!type.empty()) config["model_type"] = type;
  return {std::move(config), tensors, {}};
}

}  // namespace assay
