#include "forward/evaluate.h"

#include <algorithm>
#include <future>

#include "base/error.h"
#include "forward/blocks.h"
#include "forward/embedding.h"
#include "forward/head.h"
#include "forward/moe.h"
#include "forward/noise.h"
#include "forward/plan.h"

namespace assay {

/// One pass of all rows through all blocks: load the next block, push every chunk of rows through the current one.
class Evaluation::Pass {
 public:
  Pass(Device& device, const OpenModel& model, const EvalInput& input, const EvalOptions& options)
      : input_(input),
        options_(options),
        store_(model, device, options.precision),
        plan_(make_plan(store_, input, options)),
        context_(make_context(device, store_, options_, input.length)),
        hidden_(device, input.rows * input.length, model.spec->stream_width(), plan_.spill) {
    keep_kv(context_, hidden_.tokens(), plan_.spill);
  }

  /// `on_layer(i)` is called with the hidden states at the input of layer i, and once more after the last.
  void run(const std::function<void(size_t)>& on_layer) {
    const std::vector<LayerSpec>& layers = spec().layers;
    context_.times.time("embedding", [&] { embed(context_, input_.ids, hidden_, plan_.spill); });
    Next next = load(make_mixer_block, layers[0]);
    for (size_t i = 0; i < layers.size(); ++i) {
      on_layer(i);
      const LayerSpec& layer = layers[i];
      const bool own_mlp = std::holds_alternative<MlpSpec>(layer.mlp) && !layer.one_block();
      const auto load_next_layer = [&] {
        if (i + 1 < layers.size()) next = load(make_mixer_block, layers[i + 1]);
      };
      {
        const auto block = wait(next);
        if (own_mlp) next = load(make_mlp_block, layer);
        if (layer.one_block()) load_next_layer();
        run_block(*block, i, "attention", plan_.start(i), mixer_work(i));
      }
      if (own_mlp) {
        const auto block = wait(next);
        load_next_layer();
        run_block(*block, i, "mlp", plan_.start(i) + plan_.work[i].mixer, plan_.work[i].mlp);
      } else if (!layer.one_block()) {
        load_next_layer();
        if (std::holds_alternative<MoeSpec>(layer.mlp)) run_mixture(i);
      }
      if (const auto tail = make_tail_block(context_, layer)) run_block(*tail, i, "output", plan_.start(i + 1), 0);
      if (context_.options.noise > 0)
        add_noise(context_.device, hidden_, static_cast<int64_t>(i), context_.options.noise);
    }
    on_layer(layers.size());
  }

  /// What the head needs stays, the rest of the memory goes.
  void pack() {
    pack_scored(packed());
    context_.workspace.clear();
    context_.kept.clear();
    context_.layer_inputs.clear();
  }
  PackedModel packed() { return {context_, input_, hidden_, plan_}; }
  /// Of the head's pass.
  void report_head(double fraction) const { report(plan_.start(spec().layers.size()) + fraction * plan_.head); }
  uint64_t bytes() const {
    return plan_.spill ? 0 : static_cast<uint64_t>(hidden_.tokens() * hidden_.width()) * sizeof(float);
  }

  HiddenStates& hidden() { return hidden_; }
  RunContext& context() { return context_; }

 private:
  const ModelSpec& spec() const { return *context_.store.model().spec; }

  using Next = std::future<std::unique_ptr<LayerBlock>>;
  using MakeBlock = std::unique_ptr<LayerBlock>(RunContext&, const LayerSpec&);

  Next load(MakeBlock* make, const LayerSpec& layer) {
    return std::async(plan_.prefetch ? std::launch::async : std::launch::deferred,
                      [this, make, &layer] { return make(context_, layer); });
  }
  std::unique_ptr<LayerBlock> wait(Next& block) {
    return context_.times.time("wait for weights", [&] { return block.get(); });
  }

  void run_block(const LayerBlock& block, size_t layer, const char* part, double start, double work) {
    for_chunks([&](int64_t first, int64_t count, double fraction) {
      const Matrix x = hidden_.get(first, count);
      context_.first_token = first;
      block.run(context_, x);
      if (!context_.device.all_finite(x)) refuse_non_finite(layer, part);
      hidden_.put(first, x);
      report(start + fraction * work);
    });
  }

  /// Of the mixer's block.
  double mixer_work(size_t layer) const {
    return plan_.work[layer].mixer + (spec().layers[layer].one_block() ? plan_.work[layer].mlp : 0);
  }

  void run_mixture(size_t layer) {
    run_moe(context_, spec().layers[layer], hidden_, plan_.spill, plan_.prefetch, [&](double fraction) {
      report(plan_.start(layer) + plan_.work[layer].mixer + fraction * plan_.work[layer].mlp);
    });
    check_finite(layer, "mlp");
  }

  void check_finite(size_t layer, const char* part) {
    for_chunks([&](int64_t first, int64_t count, double) {
      if (!context_.device.all_finite(hidden_.get(first, count))) refuse_non_finite(layer, part);
    });
  }

  [[noreturn]] void refuse_non_finite(size_t layer, const char* part) const {
    fail(
        "layer {} ({} of {}): NaN or Inf in the hidden states; the weights or scales of this layer are damaged, or its "
        "activations overflow",
        layer, part, spec().layers[layer].module);
  }

  /// Whole rows at a time, enough of them to keep the device busy.
  template <class Body>
  void for_chunks(Body&& body) {
    for (int64_t row = 0; row < input_.rows; row += plan_.rows_per_chunk) {
      const int64_t rows = std::min(plan_.rows_per_chunk, input_.rows - row);
      body(row * input_.length, rows * input_.length,
           static_cast<double>(row + rows) / static_cast<double>(input_.rows));
    }
  }

  void report(double done) const {
    if (context_.options.progress) context_.options.progress(std::min(1.0, done / plan_.total()));
  }

  const EvalInput input_;
  const EvalOptions options_;
  WeightStore store_;
  Plan plan_;
  RunContext context_;
  HiddenStates hidden_;
};

void check_input(const EvalInput& input, const ModelSpec& spec) {
  ASSAY_CHECK(input.rows > 0 && input.length > 0);
  ASSAY_CHECK(static_cast<int64_t>(input.ids.size()) == input.rows * input.length);
  ASSAY_CHECK(input.first >= 0 && input.count >= 0 && input.first + input.count < input.length);
  for (const int32_t id : input.ids) {
    if (id < 0 || id >= spec.vocab) {
      fail("token id {} is outside the model's vocabulary of {}: the rows were made with another model's tokenizer", id,
           spec.vocab);
    }
  }
}

Evaluation::Evaluation(Device& device, const OpenModel& model, const EvalInput& input, const EvalOptions& options) {
  check_input(input, *model.spec);
  pass_ = std::make_unique<Pass>(device, model, input, options);
}
Evaluation::~Evaluation() = default;
Evaluation::Evaluation(Evaluation&&) noexcept = default;

void Evaluation::run_blocks() {
  pass_->run([](size_t) {});
  pass_->pack();
}

uint64_t Evaluation::bytes() const {
  return pass_->bytes();
}

void Evaluation::report_head(double fraction) const {
  pass_->report_head(fraction);
}

std::vector<EvalResult> finish(std::span<Evaluation* const> evaluations,
                               const std::function<void(double fraction)>& progress) {
  std::vector<PackedModel> packed;
  for (const Evaluation* evaluation : evaluations) packed.push_back(evaluation->pass_->packed());
  return score(packed, progress);
}

EvalResult evaluate(Device& device, const OpenModel& model, const EvalInput& input, const EvalOptions& options) {
  Evaluation evaluation(device, model, input, options);
  evaluation.run_blocks();
  Evaluation* const alone = &evaluation;
  return std::move(finish({&alone, 1}, [&](double fraction) { evaluation.report_head(fraction); }).front());
}

Trace trace(Device& device, const OpenModel& model, std::span<const int32_t> ids, const EvalOptions& options) {
  const auto length = static_cast<int64_t>(ids.size());
  const EvalInput input{ids, 1, length, 0, 0};
  const ModelSpec& spec = *model.spec;
  check_input(input, spec);
  Evaluation::Pass pass(device, model, input, options);
  Trace result;
  const auto keep = [&](Matrix rows) {
    std::vector<float> host(static_cast<size_t>(rows.rows * rows.cols));
    device.download(rows.data, host);
    return host;
  };
  pass.run([&](size_t) { result.hidden.push_back(keep(pass.hidden().get(0, length))); });
  RunContext& context = pass.context();
  const FinalStates final_states(context);
  const Matrix normed = final_states.normed(context, pass.hidden().get(0, length));
  result.final_norm = keep(normed);
  const Linear head(context.store, spec.head, options.as_deployed);
  const Matrix logits = context.workspace.get("logits", length, spec.vocab);
  const Matrix head_in =
      head.input().apply(device, context.workspace, "head input", final_states.projected(context, normed), length);
  head.apply(device, context.workspace, head_in, logits, false);
  result.logits = keep(logits);
  for (float& logit : result.logits) logit = shaped_logit(spec, logit);
  return result;
}

}  // namespace assay
