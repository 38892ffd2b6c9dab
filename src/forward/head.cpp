#include "forward/head.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <limits>

#include "base/error.h"
#include "forward/reference.h"

namespace assay {

namespace {

/// The first `cols` columns.
Matrix narrow(Matrix x, int64_t cols) {
  return {x.data, x.rows, cols, x.stride};
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Vocabulary rows that are decoded at once: about 64 MiB of float32.
int64_t tile_rows(const StoredWeight& head) {
  constexpr int64_t kTileFloats = int64_t{16} << 20;
  const int64_t alignment = std::max<int64_t>(64, head.row_alignment());
  return std::clamp<int64_t>(kTileFloats / head.cols() / alignment * alignment, alignment, 64 * alignment);
}

/// The pass over the head: states of all scored positions against the vocabulary, tile by tile.
class HeadPass {
 public:
  HeadPass(RunContext& context, const EvalInput& input, HiddenStates& hidden, const Plan& plan)
      : context_(context),
        input_(input),
        hidden_(hidden),
        plan_(plan),
        model_(*context.store.model().spec),
        spec_(model_.head),
        head_(context.store.of(spec_)),
        ids_(context.options.vocabulary > 0 ? std::min(spec_.out, context.options.vocabulary) : spec_.out),
        reference_(context.options.reference) {
    if (head_.output_transform() || (context.options.as_deployed && head_.output_quant().active()))
      head_.module().refuse("quantization or rotation of the logits themselves is not supported");
    if (!spec_.bias.empty()) bias_ = context.store.values(spec_.bias, spec_.stored_rows);
    positions_ = input.rows * input.positions();
    summary_.resize(static_cast<size_t>(positions_));
    if (reference_ || context.options.keep) top_.resize(summary_.size());
    if (!reference_) return;
    if (reference_->positions() != positions_) {
      fail("the reference has {} scored positions and this run has {}: they were not run on the same tokens",
           reference_->positions(), positions_);
    }
    comparison_.resize(summary_.size());
  }

  /// Brings the scored positions, normed and as the head's product sees them, to the front of the hidden states.
  void pack() {
    const FinalStates final_states(context_);
    const LinearInput head_input(context_.store, head_, context_.options.as_deployed);
    const int64_t count = input_.positions();
    for (int64_t row = 0; row < input_.rows; ++row) {
      const int64_t from = row * input_.length + input_.first, to = row * count;
      const Matrix normed = final_states.normed(context_, hidden_.get(from, count));
      const Matrix x = head_input.apply(context_.device, context_.workspace, "head input",
                                        final_states.projected(context_, normed), count);
      hidden_.put(to, widened(x));  // to <= from: nothing unread is overwritten
      const auto ids = input_.ids.subspan(static_cast<size_t>(from) + 1, static_cast<size_t>(input_.count));
      targets_.insert(targets_.end(), ids.begin(), ids.end());
      targets_.push_back(-1);
    }
  }

  void run(const std::function<void(double fraction)>& progress) {
    if (reference_) context_.times.time("ranks", [&] { watch_favourites(); });
    const bool twice = reference_ && context_.options.jensen_shannon;
    over_the_vocabulary([&](double fraction) { progress(twice ? fraction / 2 : fraction); });
    check_finite();
    if (!twice) return;
    jensen_shannon_.resize(summary_.size());
    over_the_vocabulary([&](double fraction) { progress(0.5 + fraction / 2); });
  }

  void report(EvalResult& result) {
    for (int64_t i = 0; i < positions_; ++i)
      if (targets_[i] >= 0) result.nll.push_back(summary_[i].nll());
    if (reference_) measure(result);
    for (const LogitSummary& s : summary_) result.log_sum.push_back(s.log_sum());
    result.top = std::move(top_);
  }

  /// What the run leaves for others to be compared with.
  Reference::Content content(const EvalResult& result) {
    Reference::Content content;
    content.precision = context_.store.precision();
    content.positions = positions_;
    content.hidden = [this](int64_t first, int64_t count, float* out) {
      context_.device.download(dense(states(first, count)).data, {out, static_cast<size_t>(count * spec_.in)});
    };
    content.head = &head_;
    content.first_row = spec_.first_row;
    content.vocab = ids_;
    content.bias = bias_;
    content.logit_multiplier = model_.logit_multiplier;
    content.logit_softcap = model_.logit_softcap;
    content.top = result.top;
    content.log_sum = result.log_sum;
    for (const LogitSummary& s : summary_) content.target.push_back(s.target);
    return content;
  }

 private:
  /// The same ids of both heads.
  struct Tile {
    std::unique_ptr<Weight> own, reference;
    int64_t shared = 0;  ///< ids of the tile that the reference has too
  };

  /// What the head sees at packed positions.
  Matrix states(int64_t first, int64_t count) { return narrow(hidden_.get(first, count), spec_.in); }
  /// As wide as the hidden states are: what is behind x is not looked at.
  Matrix widened(Matrix x) {
    if (x.cols == hidden_.width()) return x;
    const Matrix wide = context_.workspace.get("packed", x.rows, hidden_.width());
    context_.device.copy(x, narrow(wide, x.cols));
    return wide;
  }
  Matrix dense(Matrix x) {
    if (x.stride == x.cols) return x;
    const Matrix copy = context_.workspace.get("narrow", x.rows, x.cols);
    context_.device.copy(x, copy);
    return copy;
  }

  std::unique_ptr<Weight> prepare(int64_t first_id, int64_t ids) const {
    auto weight = context_.device.prepare(head_, spec_.first_row + first_id, ids, context_.store.precision());
    weight->logits.multiplier = static_cast<float>(model_.logit_multiplier);
    weight->logits.softcap = static_cast<float>(model_.logit_softcap);
    if (!bias_.empty()) weight->logits.bias = part_of(bias_, spec_.first_row + first_id, ids);
    return weight;
  }
  std::unique_ptr<Weight> prepare_reference(int64_t first_id, int64_t ids) const {
    auto weight = context_.device.prepare(*reference_->head(), first_id, ids, reference_->precision());
    weight->logits.multiplier = static_cast<float>(reference_->logit_multiplier());
    weight->logits.softcap = static_cast<float>(reference_->logit_softcap());
    if (!reference_->bias().empty()) weight->logits.bias = part_of(reference_->bias(), first_id, ids);
    return weight;
  }
  Buffer part_of(const std::vector<float>& values, int64_t first, int64_t count) const {
    return context_.store.to_device({values.begin() + first, values.begin() + first + count});
  }

  int64_t chunk() const { return plan_.rows_per_chunk * input_.positions(); }
  /// Ids that both models have.
  int64_t common() const { return reference_ ? std::min(ids_, reference_->vocab()) : 0; }

  std::future<Tile> load(int64_t first, int64_t step) const {
    return std::async(plan_.prefetch ? std::launch::async : std::launch::deferred, [this, first, step] {
      Tile tile;
      tile.own = prepare(first, std::min(step, ids_ - first));
      tile.shared = std::clamp<int64_t>(common() - first, 0, step);
      if (tile.shared > 0 && reference_->head()) tile.reference = prepare_reference(first, tile.shared);
      return tile;
    });
  }

  void over_the_vocabulary(const std::function<void(double fraction)>& progress) {
    const int64_t step = tile_rows(head_);
    auto next = load(0, step);
    for (int64_t first = 0; first < ids_; first += step) {
      const Tile tile = context_.times.time("wait for weights", [&] { return next.get(); });
      if (first + step < ids_) next = load(first + step, step);
      for (int64_t t = 0; t < positions_; t += chunk()) {
        const int64_t count = std::min(chunk(), positions_ - t);
        context_.times.time("head", [&] { reduce(tile, first, t, count); });
        const double share = static_cast<double>(t + count) / static_cast<double>(positions_);
        progress((static_cast<double>(first) + static_cast<double>(tile.own->rows) * share) /
                 static_cast<double>(ids_));
      }
    }
  }

  void reduce(const Tile& tile, int64_t first_id, int64_t t, int64_t count) {
    LogitSinks sinks{std::span(targets_).subspan(t, count), std::span(summary_).subspan(t, count)};
    if (!top_.empty()) sinks.top = std::span(top_).subspan(t, count);
    if (tile.shared > 0) {
      if (tile.reference) {
        sinks.reference = tile.reference.get();
        sinks.reference_x = reference_states(t, count);
      } else {
        sinks.reference_logits = reference_logits(t, count, first_id, tile.shared);
      }
      sinks.comparison = std::span(comparison_).subspan(t, count);
      if (!jensen_shannon_.empty()) sinks.jensen_shannon = std::span(jensen_shannon_).subspan(t, count);
    }
    context_.device.reduce_logits(states(t, count), *tile.own, first_id, sinks);
  }

  Matrix reference_states(int64_t first, int64_t count) {
    const Matrix x = context_.workspace.get("reference", count, reference_->width());
    staging_.resize(static_cast<size_t>(count * reference_->width()));
    reference_->read(first, count, staging_);
    context_.device.upload(staging_, x.data);
    return x;
  }

  Matrix reference_logits(int64_t first, int64_t count, int64_t first_id, int64_t ids) {
    const Matrix logits = context_.workspace.get("reference", count, ids);
    staging_.resize(static_cast<size_t>(count * ids));
    reference_->read_logits(first, count, first_id, ids, staging_);
    context_.device.upload(staging_, logits.data);
    return logits;
  }

  /// The model's own logits of the reference's favourite ids, so that the pass over the vocabulary can count which ids
  /// beat them: small pieces of the head, each against the positions whose favourite it holds.
  void watch_favourites() {
    std::map<int64_t, std::vector<int32_t>> positions_of;  // by piece
    const int64_t piece = std::max<int64_t>(64, head_.row_alignment());
    for (int64_t i = 0; i < positions_; ++i) {
      const int32_t favourite = reference_->top()[i].id[0];
      if (favourite >= 0 && favourite < common()) positions_of[favourite / piece].push_back(static_cast<int32_t>(i));
    }
    for (const auto& [index, all] : positions_of) {
      const int64_t first = index * piece, rows = std::min(piece, ids_ - first);
      const auto weight = prepare(first, rows);
      for (size_t at = 0; at < all.size(); at += static_cast<size_t>(chunk())) {
        const auto some = std::span(all).subspan(at, std::min(all.size() - at, static_cast<size_t>(chunk())));
        watch(some, *weight, first);
      }
    }
  }

  void watch(std::span<const int32_t> positions, const Weight& weight, int64_t first_id) {
    const Matrix x = context_.workspace.get("favourites", std::ssize(positions), hidden_.width());
    hidden_.gather(positions, x);
    std::vector<int32_t> favourites;
    for (const int32_t i : positions) favourites.push_back(reference_->top()[i].id[0]);
    std::vector<LogitSummary> summary(positions.size());
    context_.device.reduce_logits(narrow(x, spec_.in), weight, first_id, {favourites, summary});
    for (size_t k = 0; k < positions.size(); ++k) {
      LogitComparison& comparison = comparison_[positions[k]];
      comparison.watched = favourites[k];
      comparison.threshold = summary[k].target;
    }
  }

  void check_finite() const {
    for (int64_t i = 0; i < positions_; ++i) {
      if (summary_[i].finite) continue;
      fail("{}: NaN or Inf among the logits of row {}, position {}: the head's weights or scales are damaged",
           spec_.module, i / input_.positions(), input_.first + i % input_.positions());
    }
  }

  void measure(EvalResult& result) const {
    if (reference_->vocab() != ids_) {
      result.notes.push_back(
          fmt::format("the reference has {} logits and this model {}: divergences are of the first {} ids",
                      reference_->vocab(), ids_, common()));
    }
    TokenMeasures& m = result.measures;
    m.rows = input_.rows;
    m.count = input_.positions();
    m.jensen_shannon = jensen_shannon_;
    for (int64_t i = 0; i < positions_; ++i) {
      const LogitComparison& c = comparison_[i];
      m.kld.push_back(c.kld());
      m.reverse_kld.push_back(c.reverse_kld());
      m.reference_confidence.push_back(static_cast<float>(reference_->confidence(i)));
      const TopLogits &ours = top_[i], &theirs = reference_->top()[i];
      // The threshold is a product of its own and may differ from the tile's in its last bit: the first place is sure.
      m.reference_top_rank.push_back(ours.id[0] == theirs.id[0] ? 0 : std::max(c.above, 1));
      m.target_difference.push_back(static_cast<float>(
          targets_[i] < 0 ? kNaN : std::exp(-summary_[i].nll()) - reference_->target_probability(i)));
      m.top5_common.push_back(common_ids(ours, theirs, 5));
      m.top10_common.push_back(common_ids(ours, theirs, 10));
      m.top5_equal.push_back(std::equal(ours.id.begin(), ours.id.begin() + 5, theirs.id.begin()));
    }
  }

  static uint8_t common_ids(const TopLogits& a, const TopLogits& b, int first) {
    uint8_t common = 0;
    for (int i = 0; i < first; ++i)
      common += a.id[i] >= 0 && std::find(b.id.begin(), b.id.begin() + first, a.id[i]) != b.id.begin() + first;
    return common;
  }

  RunContext& context_;
  const EvalInput& input_;
  HiddenStates& hidden_;
  const Plan& plan_;
  const ModelSpec& model_;
  const LinearSpec& spec_;
  const StoredWeight& head_;
  const int64_t ids_;        // that take part
  std::vector<float> bias_;  // of the whole stored module, or empty
  const Reference* reference_;
  int64_t positions_;
  std::vector<int32_t> targets_;  // -1 where no id follows
  std::vector<LogitSummary> summary_;
  std::vector<TopLogits> top_;
  std::vector<LogitComparison> comparison_;
  std::vector<double> jensen_shannon_;
  std::vector<float> staging_;
};

}  // namespace

FinalStates::FinalStates(RunContext& context) : norm_(context.store, context.store.model().spec->final_norm) {
  const auto& project = context.store.model().spec->project;
  const auto& streams = context.store.model().spec->streams;
  if (streams) streams_.emplace(context, *streams);
  if (project) project_.emplace(context.store, *project, context.options.as_deployed);
}

Matrix FinalStates::normed(RunContext& context, Matrix x) const {
  if (streams_) x = streams_->join(context, x);
  const Matrix y = context.workspace.get("normed", x.rows, x.cols);
  if (norm_) {
    norm_.apply(context.device, x, y);
  } else {
    context.device.copy(x, y);
  }
  return y;
}

Matrix FinalStates::projected(RunContext& context, Matrix normed) const {
  if (!project_) return normed;
  Workspace& workspace = context.workspace;
  const Matrix y = workspace.get("projected", normed.rows, project_->out());
  const Matrix x = project_->input().apply(context.device, workspace, "project input", normed, normed.rows);
  project_->apply(context.device, workspace, x, y, false);
  return y;
}

float shaped_logit(const ModelSpec& spec, float logit) {
  const float scaled = logit * static_cast<float>(spec.logit_multiplier);
  const auto cap = static_cast<float>(spec.logit_softcap);
  return cap > 0 ? cap * std::tanh(scaled / cap) : scaled;
}

void score(RunContext& context, const EvalInput& input, HiddenStates& hidden, const Plan& plan, EvalResult& result,
           const std::function<void(double fraction)>& progress) {
  HeadPass pass(context, input, hidden, plan);
  context.times.time("norm", [&] { pass.pack(); });
  pass.run(progress);
  pass.report(result);
  if (context.options.keep) context.times.time("keep", [&] { context.options.keep(pass.content(result)); });
}

}  // namespace assay
