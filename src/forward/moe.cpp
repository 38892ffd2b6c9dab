#include "forward/moe.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <numeric>

#include "base/error.h"

namespace assay {

void route(const float* logits, int64_t tokens, int64_t experts, const MoeSpec& spec, int64_t first_token,
           Routing& routing) {
  std::vector<float> share(static_cast<size_t>(experts));
  std::vector<int32_t> order(static_cast<size_t>(experts));
  for (int64_t t = 0; t < tokens; ++t, logits += experts) {
    const float top = *std::max_element(logits, logits + experts);
    float total = 0;
    for (int64_t e = 0; e < experts; ++e) total += share[e] = std::exp(logits[e] - top);
    for (float& s : share) s /= total;
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + spec.top_k, order.end(),
                      [&](int32_t a, int32_t b) { return share[a] != share[b] ? share[a] > share[b] : a < b; });
    float chosen = 0;
    for (int64_t i = 0; i < spec.top_k; ++i) chosen += share[order[i]];
    for (int64_t i = 0; i < spec.top_k; ++i) {
      Routing::Expert& expert = routing.experts[order[i]];
      expert.tokens.push_back(static_cast<int32_t>(first_token + t));
      expert.weights.push_back(spec.renormalize ? share[order[i]] / chosen : share[order[i]]);
    }
  }
}

namespace {

/// Routes all tokens. The router is multiplied in float32 whatever the run's precision: a flipped choice is no
/// rounding.
Routing route_all(RunContext& context, const LayerSpec& layer, const Norm& norm, HiddenStates& hidden) {
  const auto& moe = std::get<MoeSpec>(layer.mlp);
  Device& device = context.device;
  const auto router = context.store.prepare(moe.router, Precision::f32);
  const Buffer bias = context.store.bias(moe.router);
  const int64_t experts = moe.router.out;
  Routing routing;
  routing.experts.resize(static_cast<size_t>(experts));
  const int64_t step = device.preferred_rows();
  std::vector<float> logits;
  for (int64_t first = 0; first < hidden.tokens(); first += step) {
    const int64_t count = std::min(step, hidden.tokens() - first);
    const Matrix x = hidden.get(first, count);
    const Matrix normed = context.workspace.get("normed", count, hidden.width());
    const Matrix result = context.workspace.get("router", count, experts);
    norm.apply(device, x, normed);
    device.matmul(normed, *router, result, false);
    if (bias.floats() > 0) device.add_bias(result, bias.data());
    logits.resize(static_cast<size_t>(count * experts));
    device.download(result.data, logits);
    route(logits.data(), count, experts, moe, first, routing);
  }
  return routing;
}

}  // namespace

void run_moe(RunContext& context, const LayerSpec& layer, HiddenStates& hidden, bool spill, bool prefetch,
             const std::function<void(double fraction)>& progress) {
  const auto& moe = std::get<MoeSpec>(layer.mlp);
  Device& device = context.device;
  const Norm norm(context.store, layer.mlp_norm, hidden.width());
  const Routing routing = context.times.time("router", [&] { return route_all(context, layer, norm, hidden); });

  std::vector<int64_t> chosen;
  int64_t total = 0, done = 0;
  for (size_t e = 0; e < routing.experts.size(); ++e) {
    if (!routing.experts[e].tokens.empty()) chosen.push_back(static_cast<int64_t>(e));
    total += static_cast<int64_t>(routing.experts[e].tokens.size());
  }
  HiddenStates sums(device, hidden.tokens(), hidden.width(), spill);
  sums.zero();
  const auto load = [&](size_t i) {
    return std::async(prefetch ? std::launch::async : std::launch::deferred,
                      [&context, &moe, e = chosen[i]] { return std::make_unique<Mlp>(context, moe.experts[e]); });
  };
  std::future<std::unique_ptr<Mlp>> next = load(0);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto mlp = context.times.time("wait for weights", [&] { return next.get(); });
    if (i + 1 < chosen.size()) next = load(i + 1);
    const Routing::Expert& expert = routing.experts[chosen[i]];
    const auto count = static_cast<int64_t>(expert.tokens.size());
    for (int64_t first = 0; first < count; first += device.preferred_rows()) {
      const int64_t rows = std::min(device.preferred_rows(), count - first);
      const auto tokens = std::span(expert.tokens).subspan(first, rows);
      const Matrix x = context.workspace.get("normed", rows, hidden.width());
      const Matrix y = context.workspace.get("expert output", rows, hidden.width());
      hidden.gather(tokens, x);
      norm.apply(device, x, x);
      // Which tokens share a call is the batch's accident: each is on its own here.
      mlp->run(context, x, y, false, 1);
      sums.scatter_add(y, tokens, std::span(expert.weights).subspan(first, rows));
      done += rows;
      progress(static_cast<double>(done) / static_cast<double>(total));
    }
  }
  for (int64_t first = 0; first < hidden.tokens(); first += device.preferred_rows()) {
    const int64_t rows = std::min(device.preferred_rows(), hidden.tokens() - first);
    const Matrix x = hidden.get(first, rows);
    device.add(sums.get(first, rows), x);
    hidden.put(first, x);
  }
}

}  // namespace assay
