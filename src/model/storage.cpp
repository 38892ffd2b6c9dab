#include "model/storage.h"

#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "model/linears.h"
#include "model/summary.h"

namespace assay {

namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// `part` of `whole` rows of a module that has `bits`: shares of consecutive parts add up exactly.
uint64_t share(uint64_t bits, int64_t first, int64_t rows, int64_t whole) {
  const auto upto = [&](int64_t row) { return static_cast<unsigned __int128>(bits) * row / whole; };
  return static_cast<uint64_t>(upto(first + rows) - upto(first));
}

/// The same for the rows of a linear, wherever they stand.
uint64_t share(uint64_t bits, const LinearSpec& linear) {
  if (linear.run == 0) return share(bits, linear.first_row, linear.out, linear.stored_rows);
  uint64_t sum = 0;
  for (int64_t r = 0; r < linear.out; r += linear.run)
    sum += share(bits, linear.stored_row(r), linear.run, linear.stored_rows);
  return sum;
}

bool counts_all_parts(const StoredWeight& weight) {
  const std::string format = weight.format();
  const std::string family = format.substr(0, format.find('/'));
  if (family == "compressed-tensors") return weight.module().has("weight_packed");
  return family == "aqlm" || family == "vptq" || family == "exl2" || family == "exl3";
}

/// An opened module, reduced to what is counted.
struct Counted {
  std::string format;
  uint64_t bits = 0;
  uint64_t compare_q_bits = 0;
  std::map<Role, uint64_t> roles;

  explicit Counted(const StoredWeight& weight) : format(weight.format()) {
    const bool all = counts_all_parts(weight);
    const bool plain = format.starts_with("dense/");
    for (const StoredPart& part : weight.parts()) {
      const uint64_t part_bits = part.tensor->bytes * 8;
      if (counts_as_weight(part.role)) {
        bits += part_bits;
        roles[part.role] += part_bits;
      }
      const bool counted = plain ? part.role == Role::weights : counts_as_weight(part.role);
      if (counted || (all && part.role != Role::transform)) compare_q_bits += part_bits;
    }
  }
};

class Meter {
 public:
  Meter(const Checkpoint& checkpoint, const QuantConfig& config, const ModelSpec& model)
      : checkpoint_(checkpoint), config_(config), model_(model), summary_(config) {}

  Storage measure() {
    out_.file_bytes = checkpoint_.file_bytes();
    embeddings();
    for_each_linear_before(model_, [&](const LinearSpec& linear) { projection(linear); });
    for (const LayerSpec& layer : model_.layers) decoder_layer(layer);
    for_each_linear_behind(model_, [&](const LinearSpec& linear) { projection(linear); });
    head();
    everything_else();
    out_.compare_q = {.bpw_layer = compare_q_decoder_.bpw(),
                      .bpw_head = compare_q_head_.bpw(),
                      .vram_gib = static_cast<double>(compare_q_decoder_.bits + compare_q_head_.bits) / 8 / kGiB};
    out_.format = summary_.format();
    out_.activations = summary_.activations();
    out_.mismatches = summary_.mismatches();
    return std::move(out_);
  }

 private:
  void embeddings() {
    embedding(open_embedding(checkpoint_, config_, model_), model_.embedding_dense_name);
    if (!model_.layer_inputs) return;
    embedding(open_layer_embedding(checkpoint_, config_, model_), model_.layer_inputs->embedding_dense_name);
  }

  void embedding(const std::unique_ptr<StoredWeight>& weight, const std::string& dense_name) {
    claim(*weight);
    summary_.add(*weight, Summary::Place::embedding);
    const Counted counted(*weight);
    out_.embedding += {counted.bits, static_cast<uint64_t>(weight->rows()) * static_cast<uint64_t>(weight->cols())};
    out_.tensors.push_back({dense_name, weight->rows(), weight->cols(), counted.format, counted.bits});
  }

  void decoder_layer(const LayerSpec& layer) {
    const auto* moe = std::get_if<MoeSpec>(&layer.mlp);
    Bits bits;
    opened_.clear();
    for_each_linear(layer, [&](const LinearSpec& linear) {
      const bool router = moe && (&linear == &moe->router || (moe->shared_gate && &linear == &*moe->shared_gate));
      bits += decoder_linear(linear, router ? Summary::Place::router : Summary::Place::decoder);
    });
    out_.layers.push_back(bits);
    summary_.add(open_attention_quant(checkpoint_, config_, cache_module(layer.mixer)));
  }

  /// Between embedding and layers, or layers and head.
  void projection(const LinearSpec& linear) {
    opened_.clear();
    decoder_linear(linear, Summary::Place::decoder);
  }

  Bits decoder_linear(const LinearSpec& linear, Summary::Place place) {
    const Counted& whole = opened(linear, place);
    const Bits part = add(linear, whole, compare_q_decoder_);
    out_.decoder += part;
    out_.tensors.push_back({linear.dense_name, linear.out, linear.in, whole.format, part.bits});
    return part;
  }

  void head() {
    const auto weight = open_head(checkpoint_, config_, model_);
    claim(*weight);
    const Counted counted(*weight);
    count_roles(counted);
    out_.head = add(model_.head, counted, compare_q_head_);
    if (model_.tied) return;
    summary_.add(*weight, Summary::Place::head);
    out_.tensors.push_back({model_.head.dense_name, model_.head.out, model_.head.in, counted.format, out_.head.bits});
  }

  /// Modules are opened once, however many linears they hold.
  const Counted& opened(const LinearSpec& linear, Summary::Place place) {
    if (const auto found = opened_.find(linear.module); found != opened_.end()) return found->second;
    const auto weight = open_linear(checkpoint_, config_, linear);
    claim(*weight);
    summary_.add(*weight, place);
    const Counted& counted = opened_.emplace(linear.module, Counted(*weight)).first->second;
    count_roles(counted);
    return counted;
  }

  Bits add(const LinearSpec& linear, const Counted& whole, Bits& compare_q) {
    const auto weights = static_cast<uint64_t>(linear.out) * static_cast<uint64_t>(linear.in);
    const Bits part{share(whole.bits, linear), weights};
    compare_q += {share(whole.compare_q_bits, linear), weights};
    out_.formats[whole.format] += part;
    return part;
  }

  void count_roles(const Counted& counted) {
    for (const auto& [role, bits] : counted.roles) out_.roles[std::string(name_of(role))] += bits;
  }

  void claim(const StoredWeight& weight) {
    for (const StoredPart& part : weight.parts()) {
      if (counts_as_weight(part.role)) claimed_.insert(part.tensor);
    }
  }

  void everything_else() {
    for (const auto& [name, tensor] : checkpoint_.tensors()) {
      if (claimed_.contains(&tensor)) continue;
      out_.other.bits += tensor.bytes * 8;
      if (checkpoint_.gguf() && compare_q_counts(name)) {
        compare_q_decoder_ += {tensor.bytes * 8, static_cast<uint64_t>(tensor.elements())};
      }
    }
  }

  /// Of a GGUF file it takes every `.weight` that is no norm: divisors of rope and sinks too.
  static bool compare_q_counts(std::string_view name) {
    return !name.ends_with("norm.weight") && !name.ends_with("bias") && !name.ends_with("scale");
  }

  const Checkpoint& checkpoint_;
  const QuantConfig& config_;
  const ModelSpec& model_;
  Summary summary_;
  Storage out_;
  Bits compare_q_decoder_, compare_q_head_;
  std::map<std::string, Counted> opened_;  // of the current layer
  std::set<const StoredTensor*> claimed_;
};

}  // namespace

double Bits::bpw() const {
  if (weights == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(bits) / static_cast<double>(weights);
}

Bits& Bits::operator+=(const Bits& other) {
  bits += other.bits;
  weights += other.weights;
  return *this;
}

double Storage::vram_gib() const {
  return static_cast<double>(decoder.bits + head.bits) / 8 / kGiB;
}

Storage measure_storage(const Checkpoint& checkpoint, const QuantConfig& config, const ModelSpec& model) {
  return Meter(checkpoint, config, model).measure();
}

}  // namespace assay
