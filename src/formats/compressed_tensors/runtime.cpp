#include "formats/compressed_tensors/runtime.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay::compressed_tensors {

namespace {

using Strategy = QuantArgs::Strategy;
using Dynamic = QuantArgs::Dynamic;

[[noreturn]] void cannot_emulate(const Module& module, const QuantArgs& args, const std::string& why) {
  module.cannot_emulate(fmt::format("{}: cannot emulate {} ({})", args.where, args.describe(), why));
}

/// The scales stored under a name: all finite and positive, since values are divided by them.
std::vector<float> read_positive(const Module& module, const StoredTensor& tensor) {
  std::vector<float> values = read_floats(module.checkpoint(), tensor);
  require_finite(module, tensor, values);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0)) fail("{}: {}[{}] is {}; expected a positive scale", module.name(), tensor.name, i, values[i]);
  }
  return values;
}

std::vector<float> read_zero_points(const Module& module, const StoredTensor& tensor, size_t count) {
  if (tensor.dtype != DType::I8 || tensor.elements() != static_cast<int64_t>(count)) {
    module.refuse(
        fmt::format("{}: expected {} zero points of type I8, found {}", tensor.name, count, tensor.describe()));
  }
  const auto values = read_elements<int8_t>(module.checkpoint(), tensor);
  return {values.begin(), values.end()};
}

ActivationQuant::Element element_of(const Module& module, const QuantArgs& args) {
  if (!args.is_float && args.bits <= 8) return ActivationQuant::Element::integer;
  if (args.is_float && !args.symmetric) cannot_emulate(module, args, "floats have no zero point");
  if (args.is_float && args.bits == 8) return ActivationQuant::Element::e4m3;
  if (args.is_float && args.bits == 4) return ActivationQuant::Element::e2m1;
  cannot_emulate(module, args, "only integers up to 8 bits, E4M3 and E2M1 are known");
}

/// MX scales are powers of two. Before `scale_dtype` existed they were told by the shape of the scheme.
bool has_power_of_two_scales(const QuantArgs& args) {
  if (!args.scale_dtype.empty()) return args.scale_dtype.ends_with("uint8") || args.scale_dtype.ends_with("e8m0fnu");
  return args.is_float && args.bits == 4 && args.group_size == 32;
}

void set_static_scale(const Module& module, const QuantArgs& args, const std::string& prefix, ActivationQuant& quant) {
  quant.scope = ActivationQuant::Scope::tensor;
  const StoredTensor& scale = module.at(prefix + "_scale");
  quant.scale = read_positive(module, scale);
  if (!args.symmetric) {
    quant.zero_point = read_zero_points(module, module.at(prefix + "_zero_point"), quant.scale.size());
  }
}

void set_group_scale(const Module& module, const QuantArgs& args, const std::string& prefix, int64_t cols,
                     ActivationQuant& quant) {
  quant.scope = ActivationQuant::Scope::group;
  quant.group_size = args.group_size;
  if (cols % args.group_size != 0) {
    cannot_emulate(module, args, fmt::format("the groups do not divide {} columns", cols));
  }
  if (args.strategy == Strategy::tensor_group) {
    if (quant.element != ActivationQuant::Element::e2m1) cannot_emulate(module, args, "not NVFP4");
    quant.scale_rule = ActivationQuant::ScaleRule::nvfp4;
    const std::vector<float> global = read_positive(module, module.at(prefix + "_global_scale"));
    if (global.size() != 1) module.refuse(prefix + "_global_scale: expected one value");
    quant.global_scale = global[0];
  } else if (has_power_of_two_scales(args)) {
    if (!args.is_float) cannot_emulate(module, args, "an integer under power-of-two scales");
    quant.scale_rule = ActivationQuant::ScaleRule::mx;
  }
}

/// `prefix`: "input" or "output", of the tensors that hold static scales. `cols`: of the activation.
ActivationQuant activation_quant(const Module& module, const QuantArgs& args, const std::string& prefix, int64_t cols) {
  ActivationQuant quant;
  quant.element = element_of(module, args);
  quant.bits = args.bits;
  quant.symmetric = args.symmetric;
  const bool is_static = args.dynamic == Dynamic::no;
  if (args.strategy == Strategy::tensor && is_static) {
    set_static_scale(module, args, prefix, quant);
    if (quant.scale.size() != 1) module.refuse(prefix + "_scale: expected one value");
  } else if (args.strategy == Strategy::token && !is_static) {
    quant.scope = ActivationQuant::Scope::token;
  } else if (args.strategy == Strategy::group && !is_static) {
    set_group_scale(module, args, prefix, cols, quant);
  } else if (args.strategy == Strategy::tensor_group && args.dynamic == Dynamic::local) {
    set_group_scale(module, args, prefix, cols, quant);
  } else {
    cannot_emulate(module, args, "known: static tensor, dynamic token, dynamic group, dynamic local tensor_group");
  }
  return quant;
}

std::optional<OnlineTransform> transform_at(const Module& module, const Subject& subject, std::string_view location,
                                            int64_t width) {
  const Config& config = module.config().parsed<Config>();
  std::optional<OnlineTransform> found;
  for (const Transform& transform : config.transforms()) {
    if (transform.location != location || !transform.applies(subject)) continue;
    if (found) module.refuse(fmt::format("{}: a second transform at location {}", transform.where, location));
    if (transform.type != "hadamard" && transform.type != "random-hadamard") {
      module.refuse(fmt::format("{}: only (random-)hadamard transforms can be emulated, found type \"{}\"",
                                transform.where, transform.type));
    }
    // Attention heads have no width here: the transform itself says it.
    const int64_t n = transform.head_dim ? transform.head_dim : width;
    if (n == 0 || width % n != 0) {
      module.refuse(fmt::format("{}: blocks of {} do not divide {} columns", transform.where, n, width));
    }
    const StoredTensor* matrix = config.transform_matrix(module.checkpoint(), transform.group, n);
    if (!matrix) {
      module.refuse(fmt::format("{}: no stored matrix of size {} (a tensor ending in \".{}_{}.weight\")",
                                transform.where, n, transform.group, location));
    }
    found = {matrix->name + (transform.inverse ? " inverse" : ""), matrix, n, transform.inverse};
  }
  return found;
}

}  // namespace

Role role_of(std::string_view suffix) {
  constexpr std::pair<std::string_view, Role> kRoles[] = {
      {"weight", Role::weights},
      {"weight_packed", Role::codes},
      {"compressed", Role::codes},
      {"weight_scale", Role::scales},
      {"scale_packed", Role::scales},
      {"weight_global_scale", Role::global_scales},
      {"weight_zero_point", Role::zero_points},
      {"weight_g_idx", Role::indices},
      {"row_offsets", Role::indices},
      {"bitmask", Role::masks},
      {"meta", Role::masks},
      {"bias", Role::bias},
      {"weight_shape", Role::shape},
      {"shape", Role::shape},
  };
  for (const auto& [name, role] : kRoles) {
    if (suffix == name) return role;
  }
  const bool activation = suffix.ends_with("_scale") || suffix.ends_with("_zero_point");
  return activation ? Role::activation_scales : Role::other;
}

std::vector<StoredPart> parts_of(const Module& module) {
  std::vector<StoredPart> parts;
  for (const StoredTensor* tensor : module.tensors()) {
    const bool parameter = tensor->name == module.name();
    parts.push_back({parameter ? Role::weights : role_of(tensor->name.substr(module.name().size() + 1)), tensor});
  }
  if (module.config().method() != kMethod) return parts;
  std::vector<const StoredTensor*> matrices;
  for (const Transform& transform : module.config().parsed<Config>().transforms()) {
    const StoredTensor* matrix = module.find(fmt::format("{}_{}.weight", transform.group, transform.location));
    if (matrix && std::find(matrices.begin(), matrices.end(), matrix) == matrices.end()) matrices.push_back(matrix);
  }
  for (const StoredTensor* matrix : matrices) parts.push_back({Role::transform, matrix});
  return parts;
}

Runtime runtime_of(const Module& module, const Group* group, int64_t rows, int64_t cols) {
  Runtime runtime;
  const bool embedding = module.kind() == Module::Kind::embedding;
  const Subject subject{module.name(), embedding ? "Embedding" : "Linear"};
  // The input of an embedding is a token id.
  if (group && group->inputs && !embedding) {
    runtime.input = declared_quant([&] { return activation_quant(module, *group->inputs, "input", cols); });
  }
  if (group && group->outputs) {
    const int64_t width = embedding ? cols : rows;
    runtime.output = declared_quant([&] { return activation_quant(module, *group->outputs, "output", width); });
  }
  if (!embedding) runtime.input_transform = transform_at(module, subject, "input", cols);
  runtime.output_transform = transform_at(module, subject, "output", embedding ? cols : rows);
  return runtime;
}

namespace {

/// The scale of the cached keys or values: "k_scale" of the attention, or where older releases put it.
const StoredTensor* cache_scale(const Module& attention, const std::string& which) {
  if (const StoredTensor* scale = attention.find(which + "_scale")) return scale;
  if (const StoredTensor* scale = attention.find(which + "_proj.output_scale")) return scale;
  return attention.find("kv_scale");
}

ActivationQuant attention_operand(const Module& attention, const QuantArgs& args, const StoredTensor& scale) {
  const bool per_head = args.strategy == Strategy::attn_head;
  if (args.dynamic != Dynamic::no || (args.strategy != Strategy::tensor && !per_head) || !args.symmetric) {
    cannot_emulate(attention, args, "known for attention: symmetric static scales of a tensor or of each head");
  }
  ActivationQuant quant;
  quant.element = element_of(attention, args);
  quant.scope = ActivationQuant::Scope::tensor;
  quant.bits = args.bits;
  quant.scale = read_positive(attention, scale);
  if (!per_head && quant.scale.size() != 1) {
    attention.refuse(fmt::format("{}: expected one value, found {}", scale.name, scale.describe()));
  }
  return quant;
}

}  // namespace

AttentionQuant attention_quant(const Module& attention) {
  const Config& config = attention.config().parsed<Config>();
  const Subject subject{attention.name(), "Attention"};
  AttentionQuant quant;
  for (const StoredPart& part : parts_of(attention)) {
    if (part.role == Role::activation_scales || part.role == Role::transform) quant.parts.push_back(part);
  }

  // A regex for the layers inside may match the attention's own name too; those schemes have weights.
  const Group* group = config.group_of(subject);
  const bool own = group && !group->weights && group->inputs;
  const std::optional<QuantArgs>& cache = config.kv_cache() ? config.kv_cache() : own ? group->inputs : std::nullopt;
  if (cache) {
    for (const auto& [which, target] : {std::pair("k", &quant.k), std::pair("v", &quant.v)}) {
      const StoredTensor* scale = cache_scale(attention, which);
      if (!scale) {
        attention.refuse(fmt::format("{}: {} declared, but {}.{}_scale is not stored", cache->where, cache->describe(),
                                     attention.name(), which));
      }
      *target = declared_quant([&] { return attention_operand(attention, *cache, *scale); });
    }
  }
  // The tool can declare this without having stored a scale; nothing can be computed for q then.
  const StoredTensor* q_scale = own ? attention.find("q_scale") : nullptr;
  if (q_scale) quant.q = declared_quant([&] { return attention_operand(attention, *group->inputs, *q_scale); });

  quant.q_transform = transform_at(attention, subject, "q_attn", 0);
  quant.k_transform = transform_at(attention, subject, "k_cache", 0);
  return quant;
}

}  // namespace assay::compressed_tensors
