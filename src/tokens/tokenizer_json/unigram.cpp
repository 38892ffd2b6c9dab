#include "tokens/tokenizer_json/unigram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

namespace {

constexpr int32_t kUnknown = -2;
// SentencePiece 0.2.3 begins its sums again beyond this, so that float32 still tells paths apart in long texts.
constexpr double kScoreReset = 100000;

}  // namespace

Unigram::Unigram(Vocabulary vocab, std::vector<double> scores, const std::vector<bool>& usable, Options options)
    : Model(std::move(vocab)), scores_(std::move(scores)), options_(options) {
  vocab_.for_each([&](std::string_view piece, int32_t id) {
    if (usable[id]) trie_.insert(piece, id);
  });
  for (int byte = 0; byte < 256; ++byte) byte_ids_[byte] = vocab_.find(byte_piece(static_cast<uint8_t>(byte)));
}

void Unigram::reach(Step& step, double before, double score, int32_t id, size_t begin) const {
  double total = before + score;
  if (options_.single_precision) total = static_cast<float>(total);
  if (!step.reached || total > step.score) step = {total, id, begin, true};
}

/// For every byte position, the best way to reach it. The first of equally good ways stays.
std::vector<Unigram::Step> Unigram::best_steps(std::string_view text) const {
  std::vector<Step> steps(text.size() + 1);
  steps[0].reached = true;
  size_t frontier = 0;  // the last position reached so far
  for (size_t at = 0; at < text.size();) {
    if (options_.single_precision && std::abs(steps[at].score) > kScoreReset) {
      const double offset = steps[at].score;
      for (size_t i = at; i <= frontier; ++i) steps[i].score = static_cast<float>(steps[i].score - offset);
    }
    size_t next = at;
    next_char(text, next);
    const double before = steps[at].score;
    bool covered = false;
    trie_.prefixes(text.substr(at), [&](size_t length, int32_t id) {
      reach(steps[at + length], before, scores_[id], id, at);
      frontier = std::max(frontier, at + length);
      covered = covered || at + length == next;
    });
    if (!covered) reach(steps[next], before, options_.unk_score, kUnknown, at);
    frontier = std::max(frontier, next);
    at = next;
  }
  return steps;
}

void Unigram::encode(std::string_view piece, std::vector<int32_t>& ids) const {
  if (piece.empty()) return;
  const std::vector<Step> steps = best_steps(piece);
  std::vector<size_t> ends;
  for (size_t at = piece.size(); at > 0; at = steps[at].begin) {
    ASSAY_CHECK(steps[at].reached);
    ends.push_back(at);
  }
  std::reverse(ends.begin(), ends.end());
  // The name of the unknown token can be found in text; it counts as unknown, too.
  const auto unknown = [this](int32_t id) { return id == kUnknown || id == options_.unk; };
  for (size_t i = 0; i < ends.size(); ++i) {
    const Step& step = steps[ends[i]];
    if (!unknown(step.id)) {
      ids.push_back(step.id);
      continue;
    }
    while (i + 1 < ends.size() && unknown(steps[ends[i + 1]].id)) ++i;
    append_unknown(piece.substr(step.begin, ends[i] - step.begin), ids);
  }
}

void Unigram::append_unknown(std::string_view run, std::vector<int32_t>& ids) const {
  if (options_.lookup_unknown_runs) {
    if (const int32_t id = vocab_.find(run); id >= 0) return ids.push_back(id);
  }
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (options_.byte_fallback && std::all_of(run.begin(), run.end(), [&](char c) { return id_of(c) >= 0; })) {
    for (const char byte : run) ids.push_back(id_of(byte));
    return;
  }
  if (options_.unk < 0) fail("text \"{}\" is not in the vocabulary, which names no unknown token", run);
  ids.push_back(options_.unk);
}

std::unique_ptr<Model> make_unigram(const JsonObject& model, TokenizerFile& file) {
  Vocabulary vocab;
  std::vector<double> scores;
  double lowest = 0;
  for (const ScoredPiece& piece : file.scored) {
    if (!std::isfinite(piece.score)) fail("{}: vocab: the score of \"{}\" is not a number", model.where(), piece.piece);
    if (!vocab.insert(piece.piece, static_cast<int32_t>(scores.size()))) {
      fail("{}: vocab: piece \"{}\" is listed twice", model.where(), piece.piece);
    }
    scores.push_back(piece.score);
    lowest = std::min(lowest, piece.score);
  }
  vocab.index_ids(model.where());
  Unigram::Options options;
  options.byte_fallback = model.boolean_or("byte_fallback", false);
  options.unk_score = lowest - kUnknownPenalty;
  if (model.has("unk_id")) {
    const int64_t unk = model.integer("unk_id");
    if (unk < 0 || unk >= static_cast<int64_t>(scores.size())) model.refuse("unk_id", "an id of the vocabulary");
    options.unk = static_cast<int32_t>(unk);
  }
  const std::vector<bool> usable(scores.size(), true);
  return std::make_unique<Unigram>(std::move(vocab), std::move(scores), usable, options);
}

}  // namespace assay::text
