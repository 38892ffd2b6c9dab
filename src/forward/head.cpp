#include "forward/head.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <future>
#include <limits>
#include <map>
#include <optional>

#include "base/error.h"
#include "forward/reference.h"

namespace assay {

namespace {

/// The first `cols` columns.
Matrix narrow(Matrix x, int64_t cols) {
  return {x.data, x.rows, cols, x.stride};
}

/// A tile of decoded weights, or of logits: 64 MiB of float32.
constexpr int64_t kTileFloats = int64_t{16} << 20;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Vocabulary rows that are decoded at once.
int64_t tile_rows(const StoredWeight& head) {
  const int64_t alignment = std::max<int64_t>(64, head.row_alignment());
  return std::clamp<int64_t>(kTileFloats / head.cols() / alignment * alignment, alignment, 64 * alignment);
}

/// One model in a pass over the vocabulary: its part of the head, and what its logits come to.
class ModelHead {
 public:
  explicit ModelHead(const PackedModel& packed)
      : context_(packed.context),
        input_(packed.input),
        hidden_(packed.hidden),
        plan_(packed.plan),
        model_(*context_.store.model().spec),
        spec_(model_.head),
        head_(context_.store.of(spec_)),
        ids_(context_.options.vocabulary > 0 ? std::min(spec_.out, context_.options.vocabulary) : spec_.out),
        reference_(context_.options.reference),
        positions_(input_.rows * input_.positions()) {
    if (head_.output_transform() || (context_.options.as_deployed && head_.output_quant().active()))
      head_.module().refuse("quantization or rotation of the logits themselves is not supported");
    if (!spec_.bias.empty()) bias_ = context_.store.values(spec_.bias, spec_.stored_rows);
    for (int64_t row = 0; row < input_.rows; ++row) {
      const auto ids = input_.ids.subspan(static_cast<size_t>(row * input_.length + input_.first) + 1,
                                          static_cast<size_t>(input_.count));
      targets_.insert(targets_.end(), ids.begin(), ids.end());
      targets_.push_back(-1);
    }
    summary_.resize(static_cast<size_t>(positions_));
    if (reference_ || context_.options.keep) top_.resize(summary_.size());
    if (!reference_) return;
    if (reference_->positions() != positions_) {
      fail("the reference has {} scored positions and this run has {}: they were not run on the same tokens",
           reference_->positions(), positions_);
    }
    comparison_.resize(summary_.size());
    if (context_.options.jensen_shannon) jensen_shannon_.resize(summary_.size());
  }

  int64_t step() const { return tile_rows(head_); }
  int64_t ids() const { return ids_; }
  int64_t positions() const { return positions_; }
  /// Positions that one call reduces.
  int64_t chunk() const {
    return std::clamp<int64_t>(kTileFloats / step(), 1, plan_.rows_per_chunk * input_.positions());
  }
  bool prefetch() const { return plan_.prefetch; }
  const Reference* reference() const { return reference_; }
  /// Ids that both models have.
  int64_t common() const { return reference_ ? std::min(ids_, reference_->vocab()) : 0; }
  bool wants_second_pass() const { return !jensen_shannon_.empty(); }
  RunContext& context() { return context_; }

  /// Ids from `first_id` on, at most `ids`; null where the model has none of them.
  std::unique_ptr<Weight> prepare(int64_t first_id, int64_t ids) const {
    ids = std::min(ids, ids_ - first_id);
    if (ids <= 0) return nullptr;
    auto weight = context_.device.prepare(head_, spec_.first_row + first_id, ids, context_.store.precision());
    weight->logits.multiplier = static_cast<float>(model_.logit_multiplier);
    weight->logits.softcap = static_cast<float>(model_.logit_softcap);
    if (!bias_.empty()) {
      const auto begin = bias_.begin() + spec_.first_row + first_id;
      weight->logits.bias = context_.store.to_device({begin, begin + ids});
    }
    return weight;
  }

  /// Finds the model's logit of each of the reference's favourites, so that the pass can count what lies above it. A
  /// few rows of the head at a time, each for the positions that want one of them.
  void watch_favourites() {
    const int64_t piece = std::max<int64_t>(64, head_.row_alignment());
    std::map<int64_t, std::vector<int32_t>> positions_of;  // by piece
    for (int64_t i = 0; i < positions_; ++i)
      if (has_favourite(i)) positions_of[favourite(i) / piece].push_back(static_cast<int32_t>(i));
    for (const auto& [index, positions] : positions_of) {
      const auto weight = prepare(index * piece, piece);
      for (size_t at = 0; at < positions.size(); at += static_cast<size_t>(chunk()))
        watch(std::span(positions).subspan(at, std::min(positions.size() - at, static_cast<size_t>(chunk()))), *weight,
              index * piece);
    }
  }

  /// Of positions [t, t + count); `theirs` are the reference's logits [count, ids] from the same id on.
  void reduce(const Weight& tile, int64_t first_id, int64_t t, int64_t count, Matrix theirs, bool second_pass) {
    LogitSinks sinks{std::span(targets_).subspan(t, count), std::span(summary_).subspan(t, count)};
    if (!top_.empty()) sinks.top = std::span(top_).subspan(t, count);
    const int64_t shared = std::min(common() - first_id, tile.rows);
    if (shared > 0) {
      sinks.reference = narrow(theirs, shared);
      sinks.comparison = std::span(comparison_).subspan(t, count);
      if (second_pass) sinks.jensen_shannon = std::span(jensen_shannon_).subspan(t, count);
    } else if (second_pass) {
      return;
    }
    context_.times.time("head", [&] { context_.device.reduce_logits(states(t, count), tile, first_id, sinks); });
  }

  void check_finite() const {
    for (int64_t i = 0; i < positions_; ++i) {
      if (summary_[i].finite) continue;
      fail("{}: NaN or Inf among the logits of row {}, position {}: the head's weights or scales are damaged",
           spec_.module, i / input_.positions(), input_.first + i % input_.positions());
    }
  }

  /// Keeps the run as a reference where that is wanted.
  EvalResult result() {
    EvalResult result;
    for (int64_t i = 0; i < positions_; ++i)
      if (targets_[i] >= 0) result.nll.push_back(summary_[i].nll());
    result.notes = plan_.notes;
    if (reference_) measure(result);
    for (const LogitSummary& s : summary_) result.log_sum.push_back(s.log_sum());
    result.top = std::move(top_);
    if (context_.options.keep) context_.times.time("keep", [&] { context_.options.keep(content(result)); });
    result.seconds = context_.times.seconds();
    return result;
  }

 private:
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

  int32_t favourite(int64_t position) const { return reference_->top()[position].id[0]; }
  bool has_favourite(int64_t position) const { return favourite(position) >= 0 && favourite(position) < common(); }

  void watch(std::span<const int32_t> positions, const Weight& weight, int64_t first_id) {
    const Matrix x = context_.workspace.get("favourites", std::ssize(positions), hidden_.width());
    hidden_.gather(positions, x);
    std::vector<int32_t> favourites;
    for (const int32_t i : positions) favourites.push_back(favourite(i));
    std::vector<LogitSummary> summary(positions.size());
    context_.device.reduce_logits(narrow(x, spec_.in), weight, first_id, {favourites, summary});
    for (size_t k = 0; k < positions.size(); ++k) {
      comparison_[positions[k]].watched = favourites[k];
      comparison_[positions[k]].threshold = summary[k].target;
    }
  }

  /// Place of the reference's favourite in the model's order, 0 = first; behind all others where the model lacks it.
  int32_t rank(int64_t position) const {
    if (!has_favourite(position)) return static_cast<int32_t>(common());
    // Of equal logits the smaller id stands first, as in `top_`.
    return top_[position].id[0] == favourite(position) ? 0 : std::max(comparison_[position].above, 1);
  }

  /// What the head sees at packed positions.
  Matrix states(int64_t first, int64_t count) { return narrow(hidden_.get(first, count), spec_.in); }
  Matrix dense(Matrix x) {
    if (x.stride == x.cols) return x;
    const Matrix copy = context_.workspace.get("narrow", x.rows, x.cols);
    context_.device.copy(x, copy);
    return copy;
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
      m.kld.push_back(comparison_[i].kld());
      m.reverse_kld.push_back(comparison_[i].reverse_kld());
      m.reference_confidence.push_back(static_cast<float>(reference_->confidence(i)));
      const TopLogits &ours = top_[i], &theirs = reference_->top()[i];
      m.reference_top_rank.push_back(rank(i));
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
};

/// The reference's logits, made or read once for all models of a pass.
class ReferenceLogits {
 public:
  ReferenceLogits(const Reference& reference, RunContext& context) : reference_(reference), context_(context) {}

  /// A tile's ids, whatever the models have of them: the numbers must not depend on which models share the pass.
  int64_t ids(int64_t first_id, int64_t step) const {
    return std::clamp<int64_t>(reference_.vocab() - first_id, 0, step);
  }

  /// Null where the logits themselves are stored, or there is no such id.
  std::unique_ptr<Weight> prepare(int64_t first_id, int64_t ids) const {
    if (!reference_.head() || ids == 0) return nullptr;
    auto weight = context_.device.prepare(*reference_.head(), first_id, ids, reference_.precision());
    weight->logits.multiplier = static_cast<float>(reference_.logit_multiplier());
    weight->logits.softcap = static_cast<float>(reference_.logit_softcap());
    if (!reference_.bias().empty()) {
      const auto begin = reference_.bias().begin() + first_id;
      weight->logits.bias = context_.store.to_device({begin, begin + ids});
    }
    return weight;
  }

  /// [count, ids] of positions [t, t + count), valid until the next call.
  Matrix get(const Weight* tile, int64_t first_id, int64_t ids, int64_t t, int64_t count) {
    const Matrix logits = context_.workspace.get("reference logits", count, ids);
    if (!tile) {
      staging_.resize(static_cast<size_t>(count * ids));
      reference_.read_logits(t, count, first_id, ids, staging_);
      context_.device.upload(staging_, logits.data);
      return logits;
    }
    const Matrix x = context_.workspace.get("reference", count, reference_.width());
    staging_.resize(static_cast<size_t>(count * reference_.width()));
    reference_.read(t, count, staging_);
    context_.device.upload(staging_, x.data);
    context_.device.logits(x, *tile, logits);
    return logits;
  }

 private:
  const Reference& reference_;
  RunContext& context_;
  std::vector<float> staging_;
};

/// Models whose tiles hold the same ids, against the vocabulary, tile by tile.
class VocabularyPass {
 public:
  explicit VocabularyPass(std::span<ModelHead*> models) : models_(models), step_(models.front()->step()) {
    const ModelHead& first = *models.front();
    if (first.reference()) reference_.emplace(*first.reference(), models.front()->context());
    for (const ModelHead* model : models) {
      ASSAY_CHECK(model->step() == step_ && model->positions() == first.positions() &&
                  model->chunk() == first.chunk() && model->reference() == first.reference());
      ids_ = std::max(ids_, model->ids());
      common_ = std::max(common_, model->common());
      prefetch_ = prefetch_ && model->prefetch();
    }
  }

  void run(bool second, const std::function<void(double fraction)>& progress) {
    const int64_t positions = models_.front()->positions(), chunk = models_.front()->chunk();
    auto next = load(0);
    for (int64_t first = 0; first < ids_; first += step_) {
      const Tile tile = times_.time("wait for weights", [&] { return next.get(); });
      if (first + step_ < ids_) next = load(first + step_);
      for (int64_t t = 0; t < positions; t += chunk) {
        const int64_t count = std::min(chunk, positions - t);
        Matrix theirs{};
        if (tile.reference_ids > 0) {
          theirs = times_.time(
              "reference", [&] { return reference_->get(tile.reference.get(), first, tile.reference_ids, t, count); });
        }
        for (size_t i = 0; i < models_.size(); ++i)
          if (tile.own[i]) models_[i]->reduce(*tile.own[i], first, t, count, theirs, second);
        const double share = static_cast<double>(t + count) / static_cast<double>(positions);
        progress((static_cast<double>(first) + static_cast<double>(std::min(step_, ids_ - first)) * share) /
                 static_cast<double>(ids_));
      }
    }
  }

  /// Books what the models had in common in equal parts.
  void share_times() {
    for (ModelHead* model : models_)
      for (const auto& [stage, seconds] : times_.seconds())
        model->context().times.add(stage, seconds / static_cast<double>(models_.size()));
  }

 private:
  /// The same ids of all heads.
  struct Tile {
    std::vector<std::unique_ptr<Weight>> own;
    std::unique_ptr<Weight> reference;
    int64_t reference_ids = 0;
  };

  std::future<Tile> load(int64_t first) const {
    return std::async(prefetch_ ? std::launch::async : std::launch::deferred, [this, first] {
      Tile tile;
      for (const ModelHead* model : models_) tile.own.push_back(model->prepare(first, step_));
      if (reference_ && first < common_) {
        tile.reference_ids = reference_->ids(first, step_);
        tile.reference = reference_->prepare(first, tile.reference_ids);
      }
      return tile;
    });
  }

  std::span<ModelHead*> models_;
  const int64_t step_;
  int64_t ids_ = 0, common_ = 0;
  bool prefetch_ = true;
  std::optional<ReferenceLogits> reference_;
  StageTimes times_;
};

/// As wide as the hidden states are: what is behind x is not looked at.
Matrix widened(RunContext& context, Matrix x, int64_t width) {
  if (x.cols == width) return x;
  const Matrix wide = context.workspace.get("packed", x.rows, width);
  context.device.copy(x, narrow(wide, x.cols));
  return wide;
}

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

void pack_scored(const PackedModel& model) {
  const auto& [context, input, hidden, plan] = model;
  context.times.time("norm", [&, &context = context, &input = input, &hidden = hidden] {
    const FinalStates final_states(context);
    const LinearInput head_input(context.store, context.store.of(context.store.model().spec->head),
                                 context.options.as_deployed);
    const int64_t count = input.positions();
    for (int64_t row = 0; row < input.rows; ++row) {
      const int64_t from = row * input.length + input.first, to = row * count;
      const Matrix normed = final_states.normed(context, hidden.get(from, count));
      const Matrix x = head_input.apply(context.device, context.workspace, "head input",
                                        final_states.projected(context, normed), count);
      hidden.put(to, widened(context, x, hidden.width()));  // to <= from: nothing unread is overwritten
    }
  });
}

std::vector<EvalResult> score(std::span<const PackedModel> models, const std::function<void(double)>& progress) {
  std::deque<ModelHead> heads;
  std::map<int64_t, std::vector<ModelHead*>> groups;  // by step
  for (const PackedModel& model : models) {
    ModelHead& head = heads.emplace_back(model);
    groups[head.step()].push_back(&head);
  }
  double done = 0;
  const auto part = [&](double from, double share) {
    return [&progress, from, share](double fraction) { progress(from + fraction * share); };
  };
  for (auto& [step, group] : groups) {
    const double share = static_cast<double>(group.size()) / static_cast<double>(models.size());
    const bool twice = group.front()->wants_second_pass();
    VocabularyPass pass(group);
    for (ModelHead* head : group)
      if (head->reference()) head->context().times.time("ranks", [&] { head->watch_favourites(); });
    pass.run(false, part(done, twice ? share / 2 : share));
    for (const ModelHead* head : group) head->check_finite();
    if (twice) pass.run(true, part(done + share / 2, share / 2));
    pass.share_times();
    done += share;
  }
  std::vector<EvalResult> results;
  for (ModelHead& head : heads) results.push_back(head.result());
  return results;
}

}  // namespace assay
