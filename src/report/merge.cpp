#include "report/merge.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {

namespace {

template <class T>
void require_equal(const NamedResult& a, const NamedResult& b, T DataRecord::*field, const char* name) {
  const T& one = a.result.data.*field;
  const T& other = b.result.data.*field;
  if (one != other)
    fail(
        "{} and {} cannot be merged: {} is {} in the first and {} in the second; their numbers are about different "
        "tokens, so measure both again with one data spec",
        a.name, b.name, name, one, other);
}

void require_same_tokens(const NamedResult& a, const NamedResult& b) {
  require_equal(a, b, &DataRecord::tokens_sha256, "the hash of the token ids");
  require_equal(a, b, &DataRecord::rows, "the number of rows");
  require_equal(a, b, &DataRecord::length, "the length of rows");
  require_equal(a, b, &DataRecord::stride, "the stride");
  require_equal(a, b, &DataRecord::warmup, "the warm-up");
  require_equal(a, b, &DataRecord::prefix, "the length of the prefix");
  require_equal(a, b, &DataRecord::first_scored, "the first scored position");
  require_equal(a, b, &DataRecord::tokens_scored, "the number of scored tokens");
  require_equal(a, b, &DataRecord::protocol, "the protocol");
  require_equal(a, b, &DataRecord::clusters, "what errors are clustered by");
}

const Comparison* comparison_of(const ModelResult& model) {
  return model.has_comparison() ? &*model.measured->comparison : nullptr;
}

/// What identifies the reference of a model's KLD; null where there is none.
void require_same_reference(const std::vector<NamedResult>& runs) {
  const Comparison* first = nullptr;
  const std::string* first_name = nullptr;
  for (const NamedResult& run : runs)
    for (const ModelResult& model : run.result.models) {
      const Comparison* c = comparison_of(model);
      if (!c) continue;
      if (!first) {
        first = c;
        first_name = &run.name;
      }
      const bool known = !first->reference_content.empty() && !c->reference_content.empty();
      if (known ? first->reference_content == c->reference_content : first->reference == c->reference) continue;
      fail("{} and {} cannot be merged: the first compares with the reference {} ({}), the second with {} ({})",
           *first_name, run.name, first->reference, known ? first->reference_content : "content not known",
           c->reference, known ? c->reference_content : "content not known");
    }
}

bool same_model(const ModelResult& a, const ModelResult& b) {
  return a.label == b.label && a.model_dir == b.model_dir && a.role == b.role && a.precision == b.precision &&
         a.activations == b.activations && a.kv_cache == b.kv_cache;
}

/// Of two records of one model the one that knows more; null where they contradict each other.
const ModelResult* better(const ModelResult& a, const ModelResult& b) {
  if (!a.ok() || !b.ok()) return a.ok() ? &a : &b;
  if (a.measured->mean_nll != b.measured->mean_nll) return nullptr;
  return a.has_comparison() || !b.has_comparison() ? &a : &b;
}

void add(std::vector<ModelResult>& models, ModelResult model) {
  for (ModelResult& known : models) {
    if (!same_model(known, model)) continue;
    if (const ModelResult* kept = better(known, model)) {
      if (kept == &model) known = std::move(model);
      return;
    }
  }
  models.push_back(std::move(model));
}

/// "0.1.0", or "0.1.0, 0.2.0" where runs differ.
void join(std::string& all, const std::string& one) {
  if (one.empty() || (", " + all + ", ").find(", " + one + ", ") != std::string::npos) return;
  all += (all.empty() ? "" : ", ") + one;
}

}  // namespace

Result merge_results(std::vector<NamedResult> runs) {
  ASSAY_CHECK(!runs.empty());
  for (const NamedResult& run : runs) require_same_tokens(runs.front(), run);
  require_same_reference(runs);
  Result out;
  out.version.clear();
  out.complete = true;
  out.data = runs.front().result.data;
  for (NamedResult& run : runs) {
    join(out.version, run.result.version);
    join(out.device, run.result.device);
    out.threads = std::max(out.threads, run.result.threads);
    out.complete = out.complete && run.result.complete;
    for (ModelResult& model : run.result.models) add(out.models, std::move(model));
    for (const std::string& note : run.result.data.notes)
      if (std::find(out.data.notes.begin(), out.data.notes.end(), note) == out.data.notes.end())
        out.data.notes.push_back(note);
  }
  const auto reference = [](const ModelResult& model) { return model.role == ModelRole::reference; };
  if (std::count_if(out.models.begin(), out.models.end(), reference) > 1)
    fail(
        "{} and others cannot be merged: they hold different references, or one reference that was measured in "
        "different ways",
        runs.front().name);
  std::stable_partition(out.models.begin(), out.models.end(), reference);
  return out;
}

}  // namespace assay
