#pragma once
#include "formats/format.h"

namespace assay {

// VPTQ: v consecutive rows of a column are a centroid, plus one of a second codebook. Columns come in groups with their
// own codebooks; the first ones may be outliers with a codebook of their own.
//
//   indices                   I32    [G, ceil(out / v), ceil(gs * tb / 32)]   a stream a row: gs entries of tb bits
//   centroids.weight          float  [G, k * v]
//   res_centroids.weight      float  [G, kr * v]               if kr > 0
//   outlier_indices           I16    [1, ceil(out / ov), no]   unsigned; if no > 0
//   outlier_centroids.weight  float  [1, ko * ov]              if no > 0
//   perm                      I16    [in]                      unsigned; if enable_perm
//   weight_scale, _bias       float  [in]                      if enable_norm
//
//   tb bits of an entry:  |res: log2 kr|main: log2 k|  low bits right; entries may straddle words
//
//   S[o][no + c * gs + i] = centroids[c][main][o % v] + res_centroids[c][res][o % v],  S[o][i < no] = outlier_centroids
//   W[o][perm[j]] = S[o][j],  then W[o][ch] * weight_scale[ch] + weight_bias[ch]
//
// All sizes stand in the config, "config_for_layers" by module or "shared_layer_config" by the last part of its name.
class Vptq : public StoredWeight {
 public:
  static constexpr FormatInfo kInfo{"vectors", "vptq", "1-16",
                                    "indices I32 [G, out/v, words], centroids.weight float [G, k*v], res_centroids, "
                                    "outlier_*, perm I16 [in], weight_scale, weight_bias float [in]"};

  static bool matches(const Module& module) { return module.has("indices") && module.has("centroids.weight"); }

  explicit Vptq(const Module& module);
  std::string format() const override;
  void decode(int64_t begin, int64_t end, float* out) const override;
  int64_t row_alignment() const override { return vector_; }

 private:
  struct Settings;
  struct Tables;
  void find_columns(const Settings& settings);
  std::vector<int32_t> stored_columns() const;
  /// kLength: of the vectors, or 0 for any.
  template <int kLength>
  void read_vectors(const Tables& tables, int64_t vector_row, float* vectors) const;
  void place_outliers(const Tables& tables, int64_t row, float* w) const;

  const StoredTensor* indices_;
  const StoredTensor* centroids_;
  const StoredTensor* residuals_ = nullptr;
  const StoredTensor* outlier_indices_ = nullptr;
  const StoredTensor* outlier_centroids_ = nullptr;
  const StoredTensor* perm_ = nullptr;
  const StoredTensor* scale_ = nullptr;
  const StoredTensor* bias_ = nullptr;
  int64_t vector_ = 0;          // v
  int64_t outlier_vector_ = 0;  // ov
  int64_t outliers_ = 0;        // no
  int64_t groups_ = 0;          // G
  int64_t group_ = 0;           // gs
  int main_bits_ = 0;
  int residual_bits_ = 0;
};

}  // namespace assay
