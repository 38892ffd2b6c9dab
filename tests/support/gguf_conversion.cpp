#include "support/gguf_conversion.h"

#include <bit>
#include <map>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint.h"
#include "support/gguf_writer.h"

namespace assay::test {

namespace {

namespace fs = std::filesystem;

struct Values {
  std::vector<uint64_t> shape;
  std::vector<float> data;

  uint64_t size(size_t axis) const { return shape.at(axis); }
};

Values read_values(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  const std::vector<std::byte> bytes = checkpoint.read(tensor);
  Values out{{tensor.shape.begin(), tensor.shape.end()}, std::vector<float>(static_cast<size_t>(tensor.elements()))};
  for (size_t i = 0; i < out.data.size(); ++i) {
    uint32_t bits = 0;
    if (tensor.dtype == DType::BF16) {
      uint16_t half = 0;
      std::memcpy(&half, bytes.data() + 2 * i, 2);
      bits = uint32_t{half} << 16;
    } else {
      std::memcpy(&bits, bytes.data() + 4 * i, 4);
    }
    out.data[i] = std::bit_cast<float>(bits);
  }
  return out;
}

/// Rows of `values` in the order in which `from` names them.
template <class From>
Values reorder(const Values& values, From from) {
  Values out = values;
  const size_t width = values.data.size() / values.size(0);
  for (size_t row = 0; row < values.size(0); ++row) {
    std::copy_n(values.data.begin() + static_cast<std::ptrdiff_t>(from(row) * width), width,
                out.data.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
  return out;
}

Values pairs(const Values& values, size_t heads) {
  const size_t size = values.size(0) / heads;
  return reorder(values, [&](size_t row) {
    const size_t within = row % size;
    return row - within + within % 2 * (size / 2) + within / 2;
  });
}

/// A group holds its queries, one key and one value.
Values parts(const Values& values, size_t heads, size_t groups) {
  const size_t size = values.size(0) / (heads + 2 * groups), queries = heads / groups;
  return reorder(values, [&](size_t row) {
    const size_t head = row / size;
    size_t place = head / queries * (queries + 2) + head % queries;
    if (head >= heads) place = (head - heads) % groups * (queries + 2) + queries + (head - heads) / groups;
    return place * size + row % size;
  });
}

/// The last two axes.
Values turned(const Values& values) {
  Values out = values;
  const size_t rank = values.shape.size();
  const size_t rows = values.size(rank - 2), cols = values.size(rank - 1);
  std::swap(out.shape[rank - 2], out.shape[rank - 1]);
  for (size_t base = 0; base < values.data.size(); base += rows * cols) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) out.data[base + c * rows + r] = values.data[base + r * cols + c];
    }
  }
  return out;
}

/// Rows [first, first + count) of each of the matrices; of a single one without the axis of stacks.
Values rows_of_each(const Values& values, size_t first, size_t count) {
  const size_t rank = values.shape.size(), rows = values.size(rank - 2), cols = values.size(rank - 1);
  Values out{values.shape, {}};
  out.shape[rank - 2] = count;
  for (size_t base = 0; base < values.data.size(); base += rows * cols) {
    const auto from = values.data.begin() + static_cast<std::ptrdiff_t>(base + first * cols);
    out.data.insert(out.data.end(), from, from + static_cast<std::ptrdiff_t>(count * cols));
  }
  return out;
}

Values as_stack(Values values, uint64_t stacks) {
  values.shape = {stacks, values.size(0) / stacks, values.size(1)};
  return values;
}

const std::vector<Renaming>& usual_tensors() {
  static const std::vector<Renaming> names = {
      {"embed_tokens", "token_embd"},
      {"norm", "output_norm"},
      {"lm_head", "output"},
      {"input_layernorm", "attn_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"self_attn.q_norm", "attn_q_norm"},
      {"self_attn.k_norm", "attn_k_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
      {"mlp.gate", "ffn_gate_inp"},
      {"mlp.experts.#.gate_proj", "ffn_gate_exps", Move::stack},
      {"mlp.experts.#.up_proj", "ffn_up_exps", Move::stack},
      {"mlp.experts.#.down_proj", "ffn_down_exps", Move::stack},
      {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
      {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
      {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
      {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
  };
  return names;
}

const std::vector<MetadataKey>& usual_keys() {
  static const std::vector<MetadataKey> keys = {
      {"block_count", "/num_hidden_layers"},
      {"context_length", "/max_position_embeddings"},
      {"embedding_length", "/hidden_size"},
      {"feed_forward_length", "/intermediate_size"},
      {"attention.head_count", "/num_attention_heads"},
      {"attention.head_count_kv", "/num_key_value_heads"},
      {"attention.layer_norm_rms_epsilon", "/rms_norm_eps"},
      {"attention.key_length", "/head_dim"},
      {"attention.value_length", "/head_dim"},
      {"rope.freq_base", "/rope_parameters/rope_theta"},
      {"expert_used_count", "/num_experts_per_tok"},
  };
  return keys;
}

/// "model.layers.3.mlp.experts.7.up_proj.weight" in its parts.
struct Place {
  std::string layer, inner, suffix;  // "3", "mlp.experts.#.up_proj", ".weight"

  explicit Place(const std::string& name) : inner(name) {
    for (const char* prefix : {"layers.", "blocks.", "h."}) {
      const size_t at = ("." + name).find(std::string(".") + prefix);
      if (at == std::string::npos) continue;
      const size_t begin = at + std::strlen(prefix), end = name.find('.', begin);
      layer = name.substr(begin, end - begin);
      inner = name.substr(end + 1);
      break;
    }
    if (layer.empty()) {
      for (const char* prefix : {"model.", "transformer."}) {
        if (inner.starts_with(prefix)) inner = inner.substr(std::strlen(prefix));
      }
    }
    for (const char* end : {".weight", ".bias"}) {
      if (!inner.ends_with(end)) continue;
      suffix = end;
      inner.resize(inner.size() - suffix.size());
      break;
    }
    if (const size_t at = inner.find("experts."); at != std::string::npos && std::isdigit(inner[at + 8])) {
      inner.replace(at + 8, inner.find('.', at + 8) - at - 8, "#");
    }
  }
};

class Converter {
 public:
  Converter(const GgufConversion& conversion, const Checkpoint& checkpoint, const Json& config)
      : conversion_(conversion), checkpoint_(checkpoint), config_(config) {}

  void save(const fs::path& path) {
    writer_.add("general.architecture", conversion_.architecture);
    for (const MetadataKey& key : usual_keys()) {
      const bool own = std::any_of(conversion_.keys.begin(), conversion_.keys.end(),
                                   [&](const MetadataKey& k) { return std::strcmp(k.key, key.key) == 0; });
      if (!own) add(key);
    }
    for (const MetadataKey& key : conversion_.keys) add(key);
    for (const auto& [name, tensor] : checkpoint_.tensors()) convert(tensor);
    for (const auto& [name, values] : stacks_) put(name, values);
    for (const auto& [name, values] : lists_) writer_.add(name, values);
    writer_.save(path);
  }

 private:
  void add(const MetadataKey& key) {
    Json value;
    if (key.from[0] == '=') {
      value = Json::parse(key.from + 1);
    } else {
      const Json::json_pointer from(key.from);
      if (!config_.contains(from) || config_.at(from).is_null()) return;
      value = config_.at(from);
    }
    const std::string name = std::string(conversion_.architecture) + "." + key.key;
    if (value.is_number_float()) writer_.add(name, value.get<float>());
    if (value.is_number_integer()) writer_.add(name, value.get<uint32_t>());
    if (value.is_boolean()) writer_.add(name, value.get<bool>());
    if (value.is_string()) writer_.add(name, value.get<std::string>());
    if (value.is_array()) add_marks(name, value);
  }

  /// Lists of the metadata are of booleans.
  void add_marks(const std::string& name, const Json& marks) {
    std::string bytes = writer_.number(uint32_t{7}) + writer_.number(uint64_t{marks.size()});
    for (const Json& mark : marks) bytes += writer_.number(static_cast<uint8_t>(mark.get<bool>()));
    writer_.pair(name, 9, bytes);
  }

  /// The first of these keys that the config has.
  uint64_t first_of(std::initializer_list<const char*> keys) const {
    for (const char* key : keys) {
      if (config_.contains(key)) return config_.at(key).get<uint64_t>();
    }
    return 1;
  }
  uint64_t heads() const { return first_of({"num_attention_heads", "n_heads", "n_head"}); }
  uint64_t groups() const { return first_of({"num_kv_heads", "num_key_value_heads", "n_heads", "n_head"}); }

  const Renaming& renaming(const Place& place) const {
    for (const auto* names : {&conversion_.tensors, &usual_tensors()}) {
      for (const Renaming& name : *names) {
        if (place.inner == name.name) return name;
      }
    }
    throw std::runtime_error("no row for " + place.inner);
  }

  void convert(const StoredTensor& tensor) {
    const Place place(tensor.name);
    const Renaming& to = renaming(place);
    const std::string blk = place.layer.empty() ? "" : "blk." + place.layer + ".";
    const std::string name = blk + to.stored + place.suffix;
    if (to.move == Move::drop) return;
    const Values values = read_values(checkpoint_, tensor);
    switch (to.move) {
      case Move::drop:
      case Move::same:
        return put(name, values);
      case Move::pairs_of_q:
        return put(name, pairs(values, heads()));
      case Move::pairs_of_k:
        return put(name, pairs(values, groups()));
      case Move::parts:
        return put(name, parts(values, heads(), groups()));
      case Move::turn:
        return put(name, place.suffix == ".weight" ? turned(values) : values);
      case Move::stack:
        return stack(name, values);
      case Move::row_stack:
        return put(name + ".weight", as_stack(values, experts()));
      case Move::turned_row_stack:
        return put(name + ".weight", turned(as_stack(values, experts())));
      case Move::turned_stack:
        return put(name + ".weight", turned(values));
      case Move::turned_gate_up:
        return halve(turned(values), name + ".weight");
      case Move::gate_up:
      case Move::gate_up_stack:
        return halve(values, name);
      case Move::latent_kv:
        return split_latent(values, blk);
      case Move::number:
        lists_[to.stored].push_back(values.data.at(0));
        return;
    }
  }

  uint64_t experts() const { return config_.at(Json::json_pointer("/ffn_config/moe_num_experts")).get<uint64_t>(); }

  /// Experts come in the order of their names, of which there are less than ten.
  void stack(const std::string& name, const Values& values) {
    Values& all = stacks_[name];
    if (all.shape.empty()) {
      all.shape = {0, values.size(0), values.size(1)};
    }
    ++all.shape[0];
    all.data.insert(all.data.end(), values.data.begin(), values.data.end());
  }

  void halve(const Values& values, const std::string& gate) {
    const size_t half = values.size(values.shape.size() - 2) / 2;
    std::string up = gate;
    up.replace(up.find("gate"), 4, "up");
    put(gate, rows_of_each(values, 0, half));
    put(up, rows_of_each(values, half, half));
  }

  void split_latent(const Values& values, const std::string& blk) {
    const uint64_t nope = config_.at("qk_nope_head_dim");
    const Values each = as_stack(values, heads());
    put(blk + "attn_k_b.weight", turned(rows_of_each(each, 0, nope)));
    put(blk + "attn_v_b.weight", rows_of_each(each, nope, each.size(1) - nope));
  }

  void put(const std::string& name, const Values& values) { writer_.tensor(name, values.shape, values.data); }

  const GgufConversion& conversion_;
  const Checkpoint& checkpoint_;
  const Json& config_;
  GgufWriter writer_;
  std::map<std::string, Values> stacks_;
  std::map<std::string, std::vector<float>> lists_;
};

}  // namespace

std::string name_of(const GgufConversion& conversion) {
  return std::string(conversion.fixture) + conversion.label;
}

void convert_fixture(const GgufConversion& conversion, const fs::path& folder) {
  const fs::path source = fixtures() / "architectures" / conversion.fixture, plain = folder / "plain";
  fs::create_directories(plain);
  fs::copy_file(source / "model.safetensors", plain / "model.safetensors");
  Json config = Json::parse(read_text(source / "config.json"));
  config.merge_patch(Json::parse(conversion.changes));
  write_text(plain / "config.json", config.dump());
  const Checkpoint checkpoint = Checkpoint::open(plain);
  Converter(conversion, checkpoint, config).save(folder / "model.gguf");
}

}  // namespace assay::test
