#include "forward/layer_errors.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "forward/blocks.h"
#include "forward/embedding.h"
#include "forward/moe.h"
#include "forward/plan.h"
#include "model/linears.h"

namespace assay {

namespace {

/// k and v that later layers take, of one set of hidden states.
using Kept = std::map<int64_t, KeptKv>;

/// A set of hidden states with what goes with it.
struct Lane {
  HiddenStates* hidden;
  Kept* kept;
};

/// One model whose layers run one at a time, each on several sets of hidden states.
class Runner {
 public:
  Runner(Device& device, const OpenModel& model, const EvalInput& input, const EvalOptions& options)
      : input_(input),
        store_(model, device, options.precision),
        plan_(make_plan(store_, input, options)),
        context_(make_context(device, store_, options, input.length)) {}

  const ModelSpec& spec() const { return *store_.model().spec; }
  WeightStore& store() { return store_; }
  bool spills() const { return plan_.spill; }

  void embed(HiddenStates& hidden) { assay::embed(context_, input_.ids, hidden, plan_.spill); }

  Kept room_for_kept() {
    keep_kv(context_, input_.rows * input_.length, plan_.spill);
    return std::exchange(context_.kept, {});
  }

  void run(size_t index, const std::vector<Lane>& lanes) {
    const LayerSpec& layer = spec().layers[index];
    run_block(*make_mixer_block(context_, layer), lanes);
    if (!layer.one_block()) run_mlp(layer, lanes);
    if (const auto tail = make_tail_block(context_, layer)) run_block(*tail, lanes);
  }

 private:
  void run_mlp(const LayerSpec& layer, const std::vector<Lane>& lanes) {
    if (std::holds_alternative<MlpSpec>(layer.mlp)) run_block(*make_mlp_block(context_, layer), lanes);
    if (!std::holds_alternative<MoeSpec>(layer.mlp)) return;
    for (const Lane& lane : lanes) run_moe(context_, layer, *lane.hidden, plan_.spill, plan_.prefetch, [](double) {});
  }

  void run_block(const LayerBlock& block, const std::vector<Lane>& lanes) {
    for (const auto& [hidden, kept] : lanes) {
      std::swap(context_.kept, *kept);
      for (int64_t row = 0; row < input_.rows; row += plan_.rows_per_chunk) {
        const int64_t first = row * input_.length;
        const int64_t count = std::min(plan_.rows_per_chunk, input_.rows - row) * input_.length;
        const Matrix x = hidden->get(first, count);
        context_.first_token = first;
        block.run(context_, x);
        hidden->put(first, x);
      }
      std::swap(context_.kept, *kept);
    }
  }

  const EvalInput& input_;
  WeightStore store_;
  Plan plan_;
  RunContext context_;
};

void copy_states(HiddenStates& from, HiddenStates& to) {
  constexpr int64_t kTokens = 1024;
  for (int64_t first = 0; first < from.tokens(); first += kTokens) {
    const int64_t count = std::min(kTokens, from.tokens() - first);
    const Matrix x = from.get(first, count);
    to.put(first, x);
  }
}

/// As LayerErrors defines it for hidden states.
double relative_error(Device& device, HiddenStates& states, HiddenStates& reference) {
  constexpr int64_t kTokens = 1024;
  const auto width = static_cast<size_t>(states.width());
  std::vector<float> ours, theirs;
  double sum = 0;
  for (int64_t first = 0; first < states.tokens(); first += kTokens) {
    const int64_t count = std::min(kTokens, states.tokens() - first);
    ours.resize(static_cast<size_t>(count) * width);
    theirs.resize(ours.size());
    device.download(states.get(first, count).data, ours);
    device.download(reference.get(first, count).data, theirs);
    for (size_t token = 0; token < static_cast<size_t>(count); ++token) {
      double difference = 0, norm = 0;
      for (size_t i = token * width; i < (token + 1) * width; ++i) {
        const double d = static_cast<double>(ours[i]) - static_cast<double>(theirs[i]);
        difference += d * d;
        norm += static_cast<double>(theirs[i]) * static_cast<double>(theirs[i]);
      }
      sum += norm > 0 ? difference / norm : 0;
    }
  }
  return std::sqrt(sum / static_cast<double>(states.tokens()));
}

/// The same linear of both models.
struct LinearPair {
  const LinearSpec *reference, *model;
};

/// "mlp.experts.*.up_proj" of "model.layers.3.mlp.experts.17.up_proj.weight".
std::string short_name(const std::string& dense_name) {
  std::string name = dense_name;
  const auto skip_number = [&](size_t at) { return std::min(name.find_first_not_of("0123456789", at), name.size()); };
  if (const size_t layers = name.find("layers."); layers != std::string::npos) {
    const size_t end = skip_number(layers + 7);
    name.erase(0, std::min(end + 1, name.size()));
  }
  if (const size_t experts = name.find("experts."); experts != std::string::npos) {
    const size_t end = skip_number(experts + 8);
    if (end > experts + 8) name.replace(experts + 8, end - experts - 8, "*");
  }
  if (name.ends_with(".weight")) name.resize(name.size() - 7);
  return name;
}

/// Linears of a layer under their short names, in the order of the computation.
std::vector<std::pair<std::string, std::vector<LinearPair>>> pairs_of(const LayerSpec& reference,
                                                                      const LayerSpec& model) {
  std::map<std::string, const LinearSpec*> ours;
  for_each_linear(model, [&](const LinearSpec& linear) { ours[linear.dense_name] = &linear; });
  std::vector<std::pair<std::string, std::vector<LinearPair>>> groups;
  for_each_linear(reference, [&](const LinearSpec& linear) {
    const auto own = ours.find(linear.dense_name);
    if (own == ours.end() || own->second->out != linear.out || own->second->in != linear.in) return;
    const std::string name = short_name(linear.dense_name);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == name; });
    if (group == groups.end()) group = groups.insert(groups.end(), {name, {}});
    group->second.push_back({&linear, own->second});
  });
  return groups;
}

class Measurement {
 public:
  Measurement(Device& device, ThreadPool& pool, const OpenModel& reference, const OpenModel& model,
              const EvalInput& input, const EvalOptions& options)
      : device_(device),
        pool_(pool),
        options_(options),
        reference_(device, reference, input, options),
        model_(device, model, input, options),
        before_(states(input)),
        after_(states(input)),
        own_(states(input)),
        cumulative_(states(input)),
        after_kept_(reference_.room_for_kept()),
        own_kept_(reference_.room_for_kept()),
        cumulative_kept_(model_.room_for_kept()) {
    const ModelSpec &r = reference_.spec(), &m = model_.spec();
    if (r.layers.size() != m.layers.size() || r.hidden != m.hidden) {
      fail("the reference has {} layers of width {} and the model {} of width {}: they cannot be compared by layer",
           r.layers.size(), r.hidden, m.layers.size(), m.hidden);
    }
  }

  LayerErrors run() {
    reference_.embed(after_);
    model_.embed(cumulative_);
    LayerErrors errors;
    const size_t layers = reference_.spec().layers.size();
    for (size_t i = 0; i < layers; ++i) {
      errors.layers.push_back(layer(i));
      if (options_.progress) options_.progress(static_cast<double>(i + 1) / static_cast<double>(layers));
    }
    if (rotated_) {
      errors.notes.emplace_back(
          "linears that the checkpoint rotates at run time are not measured one by one: their weights stand in another "
          "basis than the reference's");
    }
    return errors;
  }

 private:
  HiddenStates states(const EvalInput& input) {
    return HiddenStates(device_, input.rows * input.length, reference_.spec().stream_width(), reference_.spills());
  }

  LayerErrors::Layer layer(size_t index) {
    copy_states(after_, before_);
    reference_.run(index, {{&after_, &after_kept_}});
    copy_states(before_, own_);
    model_.run(index, {alone(index), {&cumulative_, &cumulative_kept_}});
    LayerErrors::Layer result;
    result.own = relative_error(device_, own_, after_);
    result.cumulative = relative_error(device_, cumulative_, after_);
    for (const auto& [name, pairs] : pairs_of(reference_.spec().layers[index], model_.spec().layers[index]))
      result.linears.push_back(linear(index, name, pairs));
    return result;
  }

  /// A layer on the reference's states takes the reference's k and v, and what it leaves is nobody's.
  Lane alone(size_t index) {
    const auto* attention = std::get_if<AttentionSpec>(&reference_.spec().layers[index].mixer);
    return {&own_, attention && attention->takes_kv >= 0 ? &after_kept_ : &own_kept_};
  }

  LayerErrors::Linear linear(size_t index, const std::string& name, const std::vector<LinearPair>& pairs) {
    LayerErrors::Linear result{name};
    for (const LinearPair& pair : pairs) {
      const StoredWeight& stored = model_.store().of(*pair.model);
      if (!stored.input_transform() && !stored.output_transform()) continue;
      rotated_ = true;
      return result;
    }
    result.weight = weight_error(pairs);
    for (const LinearPair& pair : pairs)
      reference_.store().substitute(pair.reference->dense_name, model_.store(), *pair.model);
    copy_states(before_, own_);
    reference_.run(index, {alone(index)});
    reference_.store().restore();
    result.output = relative_error(device_, own_, after_);
    return result;
  }

  double weight_error(const std::vector<LinearPair>& pairs) {
    double difference = 0, norm = 0;
    for (const LinearPair& pair : pairs) {
      const StoredWeight& a = reference_.store().of(*pair.reference);
      const StoredWeight& b = model_.store().of(*pair.model);
      const int64_t out = pair.reference->out, in = pair.reference->in;
      const int64_t unit = std::max(a.row_alignment(), b.row_alignment());
      const int64_t tile = std::max<int64_t>((int64_t{1} << 20) / in / unit, 1) * unit;
      const int64_t tiles = (out + tile - 1) / tile;
      std::vector<std::pair<double, double>> sums(static_cast<size_t>(tiles));
      pool_.run(tiles, [&](int64_t i) {
        const int64_t begin = i * tile, end = std::min(begin + tile, out);
        std::vector<float> x(static_cast<size_t>((end - begin) * in)), y(x.size());
        decode_linear(a, *pair.reference, begin, end, x.data());
        decode_linear(b, *pair.model, begin, end, y.data());
        for (size_t k = 0; k < x.size(); ++k) {
          const double d = static_cast<double>(y[k]) - static_cast<double>(x[k]);
          sums[i].first += d * d;
          sums[i].second += static_cast<double>(x[k]) * static_cast<double>(x[k]);
        }
      });
      for (const auto& [d, n] : sums) difference += d, norm += n;
    }
    return norm > 0 ? std::sqrt(difference / norm) : NAN;
  }

  Device& device_;
  ThreadPool& pool_;
  const EvalOptions& options_;
  Runner reference_, model_;
  HiddenStates before_, after_;    // the reference's, around the current layer
  HiddenStates own_, cumulative_;  // the model's
  Kept after_kept_, own_kept_, cumulative_kept_;
  bool rotated_ = false;
};

}  // namespace

LayerErrors measure_layers(Device& device, ThreadPool& pool, const OpenModel& reference, const OpenModel& model,
                           const EvalInput& input, const EvalOptions& options) {
  check_input(input, *reference.spec);
  check_input(input, *model.spec);
  return Measurement(device, pool, reference, model, input, options).run();
}

}  // namespace assay
