#include "report/result.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

const char* const kVersion = ASSAY_VERSION;

const char* name_of(ModelRole role) {
  switch (role) {
    case ModelRole::model:
      return "model";
    case ModelRole::reference:
      return "reference";
    case ModelRole::noise_floor:
      return "noise_floor";
  }
  check_failed(__FILE__, __LINE__, "known role");
}

int64_t cluster_count(const Result& result) {
  int64_t count = 0;
  for (const ModelResult& model : result.models)
    if (model.measured) count = std::max(count, model.measured->nll_df + 1);
  return count;
}

bool few_clusters(const Result& result) {
  constexpr int64_t kFew = 20;
  const int64_t count = cluster_count(result);
  return count > 0 && count < kFew;
}

Storage::CompareQ ModelResult::compare_q() const {
  ASSAY_CHECK(storage);
  constexpr double kBitsPerGiB = 8.0 * 1024 * 1024 * 1024;
  Storage::CompareQ numbers = storage->compare_q;
  if (override_bpw_layer) numbers.bpw_layer = *override_bpw_layer;
  if (override_bpw_head) numbers.bpw_head = *override_bpw_head;
  if (override_vram_bits) numbers.vram_gib = *override_vram_bits / kBitsPerGiB;
  return numbers;
}

double ModelResult::file_bpw() const {
  ASSAY_CHECK(storage);
  const Storage& s = *storage;
  const uint64_t weights = s.decoder.weights + s.embedding.weights + (tied ? 0 : s.head.weights);
  return Bits{s.file_bytes * 8, weights}.bpw();
}

}  // namespace assay
