#include "forward/moe.h"

#include <algorithm>
#include <cmath>
#include <future>

#include "forward/branch.h"
#include "forward/mlp.h"
#include "forward/routing.h"

namespace assay {

namespace {

/// One layer's mixture, from the hidden states to the sum of its experts' outputs.
class Mixture {
 public:
  Mixture(RunContext& context, const LayerSpec& layer, HiddenStates& hidden, bool spill,
          const std::function<void(double fraction)>& progress)
      : context_(context),
        device_(context.device),
        spec_(std::get<MoeSpec>(layer.mlp)),
        branch_(context.store, layer.mlp_branch),
        router_norm_(context.store, spec_.router_norm),
        expert_norm_(context.store, spec_.expert_norm),
        expert_output_norm_(context.store, spec_.expert_output_norm),
        shared_output_norm_(context.store, spec_.shared_output_norm),
        hidden_(hidden),
        sums_(device_, hidden.tokens(), hidden.width(), spill),
        progress_(progress) {
    sums_.zero();
  }

  void run(bool prefetch) {
    const Routing routing = context_.times.time("router", [&] { return route_all(); });
    std::vector<int64_t> chosen;
    for (size_t e = 0; e < routing.experts.size(); ++e) {
      if (!routing.experts[e].tokens.empty()) chosen.push_back(static_cast<int64_t>(e));
      work_ += static_cast<int64_t>(routing.experts[e].tokens.size());
    }
    // A norm of the experts' sum needs all of it.
    if (spec_.shared && !expert_output_norm_) run_shared();
    const auto load = [&](size_t i) {
      return std::async(prefetch ? std::launch::async : std::launch::deferred,
                        [this, e = chosen[i]] { return std::make_unique<Mlp>(context_, spec_.experts[e]); });
    };
    std::future<std::unique_ptr<Mlp>> next = load(0);
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto mlp = context_.times.time("wait for weights", [&] { return next.get(); });
      if (i + 1 < chosen.size()) next = load(i + 1);
      run_expert(*mlp, routing.experts[chosen[i]]);
    }
    if (expert_output_norm_) norm_sums();
    if (spec_.shared && expert_output_norm_) run_shared();
    join();
  }

 private:
  /// Calls body(first, count) for tiles of tokens, whole sequences each.
  template <class Body>
  void for_chunks(Body&& body) {
    const int64_t sequences = std::max<int64_t>(1, device_.preferred_rows() / context_.length);
    const int64_t step = sequences * context_.length;
    for (int64_t first = 0; first < hidden_.tokens(); first += step)
      body(first, std::min(step, hidden_.tokens() - first));
  }

  /// Routes all tokens. The router is multiplied in float32 whatever the run's precision: a flipped choice is no
  /// rounding.
  Routing route_all() {
    const auto router = context_.store.prepare(spec_.router, Precision::f32);
    const Buffer router_bias = context_.store.bias(spec_.router);
    const int64_t experts = spec_.router.out;
    std::vector<float> bias;
    if (!spec_.routing.bias.empty()) bias = context_.store.values(spec_.routing.bias, experts);
    Routing routing;
    routing.experts.resize(static_cast<size_t>(experts));
    std::vector<float> logits;
    for_chunks([&](int64_t first, int64_t count) {
      const Matrix h = normed(router_norm_, hidden_.get(first, count));
      const Matrix result = context_.workspace.get("router", count, experts);
      device_.matmul(h, *router, result, false);
      if (spec_.router.multiplier != 1) device_.scale(static_cast<float>(spec_.router.multiplier), result);
      if (router_bias.floats() > 0) device_.add_bias(result, router_bias.data());
      logits.resize(static_cast<size_t>(count * experts));
      device_.download(result.data, logits);
      route(spec_.routing, logits, bias, first, routing);
    });
    if (spec_.routing.expert_scale.empty()) return routing;
    const std::vector<float> scale = context_.store.values(spec_.routing.expert_scale, experts);
    for (size_t e = 0; e < scale.size(); ++e) {
      for (float& weight : routing.experts[e].weights) weight *= scale[e];
    }
    return routing;
  }

  void run_expert(const Mlp& mlp, const Routing::Expert& expert) {
    const auto count = static_cast<int64_t>(expert.tokens.size());
    for (int64_t first = 0; first < count; first += device_.preferred_rows()) {
      const int64_t rows = std::min(device_.preferred_rows(), count - first);
      const auto tokens = std::span(expert.tokens).subspan(first, rows);
      const auto weights = std::span(expert.weights).subspan(first, rows);
      const Matrix x = context_.workspace.get("chosen", rows, hidden_.width());
      const Matrix y = context_.workspace.get("expert output", rows, hidden_.width());
      hidden_.gather(tokens, x);
      const Matrix h = normed(expert_norm_, x);
      if (spec_.routing.scale_input) device_.scale_rows(h, weights);
      // Which tokens share a call is the batch's accident: each is on its own here.
      mlp.run(context_, h, y, false, 1);
      sums_.scatter_add(y, tokens, spec_.routing.scale_input ? ones(rows) : weights);
      done_ += rows;
      progress_(static_cast<double>(done_) / static_cast<double>(work_));
    }
  }

  void run_shared() {
    const Mlp mlp(context_, *spec_.shared);
    std::unique_ptr<Weight> gate;
    if (spec_.shared_gate) gate = context_.store.prepare(*spec_.shared_gate, Precision::f32);
    for_chunks([&](int64_t first, int64_t count) {
      const Matrix h = branch_.input(context_, "normed", hidden_.get(first, count));
      const Matrix y = context_.workspace.get("expert output", count, hidden_.width());
      mlp.run(context_, h, y, false, context_.length);
      if (gate) device_.scale_rows(y, gates(h, *gate));
      if (shared_output_norm_) shared_output_norm_.apply(device_, y, y);
      if (expert_output_norm_) device_.add(sums_.get(first, count), y);
      sums_.put(first, y);
    });
  }

  /// x normed by a norm of the mixture's own, or else as the branch does it.
  Matrix normed(const Norm& own, Matrix x) {
    if (!own) return branch_.input(context_, "normed", x);
    const Matrix h = context_.workspace.get("normed", x.rows, x.cols);
    own.apply(device_, x, h);
    return h;
  }

  void norm_sums() {
    for_chunks([&](int64_t first, int64_t count) {
      const Matrix sums = sums_.get(first, count);
      expert_output_norm_.apply(device_, sums, sums);
      sums_.put(first, sums);
    });
  }

  /// Sigmoid of the shared expert's gate for each row.
  std::vector<float> gates(Matrix h, const Weight& gate) {
    const Matrix result = context_.workspace.get("router", h.rows, 1);
    device_.matmul(h, gate, result, false);
    std::vector<float> values(static_cast<size_t>(h.rows));
    device_.download(result.data, values);
    for (float& value : values) value = 1 / (1 + std::exp(-value));
    return values;
  }

  void join() {
    for_chunks([&](int64_t first, int64_t count) {
      const Matrix x = hidden_.get(first, count);
      const Matrix h = branch_.spec().from_normed ? branch_.input(context_, "normed", x) : x;
      branch_.join(context_, x, h, sums_.get(first, count));
      hidden_.put(first, x);
    });
  }

  std::span<const float> ones(int64_t count) {
    ones_.resize(static_cast<size_t>(std::max<int64_t>(count, static_cast<int64_t>(ones_.size()))), 1.0f);
    return std::span(ones_).first(static_cast<size_t>(count));
  }

  RunContext& context_;
  Device& device_;
  const MoeSpec& spec_;
  Branch branch_;
  Norm router_norm_, expert_norm_, expert_output_norm_, shared_output_norm_;
  HiddenStates& hidden_;
  HiddenStates sums_;
  const std::function<void(double fraction)>& progress_;
  int64_t done_ = 0, work_ = 0;
  std::vector<float> ones_;
};

}  // namespace

void run_moe(RunContext& context, const LayerSpec& layer, HiddenStates& hidden, bool spill, bool prefetch,
             const std::function<void(double fraction)>& progress) {
  Mixture(context, layer, hidden, spill, progress).run(prefetch);
}

}  // namespace assay
