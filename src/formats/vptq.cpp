#include "formats/vptq.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/shared/bits.h"
#include "formats/shared/parts.h"
#include "formats/shared/reading.h"
#include "formats/shared/scale_grid.h"

namespace assay {

namespace {

constexpr NamedRole kRoles[] = {
    {"indices", Role::codes},
    {"outlier_indices", Role::codes},
    {"centroids.weight", Role::codebooks},
    {"res_centroids.weight", Role::codebooks},
    {"outlier_centroids.weight", Role::codebooks},
    {"perm", Role::permutation},
    {"weight_scale", Role::norms},
    {"weight_bias", Role::norms},
    {"bias", Role::bias},
};
constexpr auto kFloats = {DType::F16, DType::BF16, DType::F32};
constexpr auto kUnsigned16 = {DType::I16, DType::U16};
/// Of any size that the config states: products of two stay far from overflow.
constexpr int64_t kMostSize = int64_t{1} << 31;

JsonObject section_of(const Module& module) {
  const JsonObject json(module.config().json(), module.config().where());
  const std::string& name = module.name();
  if (const auto layers = json.object_if("config_for_layers")) {
    if (const auto found = layers->object_if(name.c_str())) return *found;
  }
  if (const auto shared = json.object_if("shared_layer_config")) {
    if (const auto found = shared->object_if(name.substr(name.rfind('.') + 1).c_str())) return *found;
  }
  module.refuse("the config has no settings for this module, neither in config_for_layers nor in shared_layer_config");
}

int64_t size_in(const JsonObject& json, const char* key, int64_t least) {
  const int64_t size = json.integer(key);
  if (size < least || size > kMostSize) json.refuse(key, fmt::format("a number from {} to {}", least, kMostSize));
  return size;
}

/// Entry 0 of [outlier, main] sizes, or entry 1; -1 and 0 mean that there are none.
int64_t entry_in(const JsonObject& json, const char* key, int which) {
  const Json* list = json.find(key);
  const auto fits = [](const Json& n) { return n.is_number_integer() && n.get<int64_t>() <= kMostSize; };
  if (!list || !list->is_array() || list->size() != 2 || !fits((*list)[0]) || !fits((*list)[1])) {
    json.refuse(key, "[outlier, main], two integers, -1 for none");
  }
  return std::max<int64_t>((*list)[which].get<int64_t>(), 0);
}

/// log2 of a number of centroids: indices are cut out of the stream by it.
int index_bits(const JsonObject& json, const char* key, int64_t centroids) {
  if (centroids < 2 || !std::has_single_bit(static_cast<uint64_t>(centroids))) {
    json.refuse(key, "a power of two from 2 up as number of centroids");
  }
  return std::countr_zero(static_cast<uint64_t>(centroids));
}

}  // namespace

struct Vptq::Settings {
  int64_t in, out, groups, group, outliers;
  int64_t vector, outlier_vector, centroids, residuals, outlier_centroids;
  int main_bits, residual_bits = 0;
  bool norm, perm;

  explicit Settings(const JsonObject& json)
      : in(size_in(json, "in_features", 1)),
        out(size_in(json, "out_features", 1)),
        groups(size_in(json, "group_num", 1)),
        group(size_in(json, "group_size", 1)),
        outliers(json.integer_or("outlier_size", 0) > 0 ? size_in(json, "outlier_size", 0) : 0),
        vector(entry_in(json, "vector_lens", 1)),
        outlier_vector(entry_in(json, "vector_lens", 0)),
        centroids(entry_in(json, "num_centroids", 1)),
        residuals(json.has("num_res_centroids") ? entry_in(json, "num_res_centroids", 1) : 0),
        outlier_centroids(entry_in(json, "num_centroids", 0)),
        main_bits(index_bits(json, "num_centroids", centroids)),
        norm(json.boolean_or("enable_norm", false)),
        perm(json.boolean_or("enable_perm", false)) {
    if (vector < 1 || vector > out) json.refuse("vector_lens", "vectors of 1 to out_features rows");
    if (residuals > 0) residual_bits = index_bits(json, "num_res_centroids", residuals);
    if (main_bits + residual_bits > 32) json.refuse("num_res_centroids", "indices of at most 32 bits together");
    if (groups * group + outliers != in) {
      json.refuse("group_size",
                  fmt::format("group_num * group_size + outlier_size to be in_features, {} * {} + {} = {}", groups,
                              group, outliers, in));
    }
    if (outliers > 0 && outlier_vector < 1) json.refuse("vector_lens", "a vector length for the outliers");
    if (outliers > 0 && outlier_centroids < 1) json.refuse("num_centroids", "a number of centroids for the outliers");
    if (!json.boolean_or("is_indice_packed", true)) json.refuse("is_indice_packed", "true (a model after fine-tuning)");
    if (json.boolean_or("indices_as_float", false)) json.refuse("indices_as_float", "false");
    if (json.string_or("vector_quant_dim", "out") != "out") json.refuse("vector_quant_dim", "\"out\"");
    if (json.integer_or("norm_dim", 0) != 0) json.refuse("norm_dim", "0 (scales of input channels)");
  }
};

Vptq::Vptq(const Module& module) : StoredWeight(module) {
  const Settings settings(section_of(module));
  rows_ = settings.out;
  cols_ = settings.in;
  vector_ = settings.vector;
  groups_ = settings.groups;
  group_ = settings.group;
  main_bits_ = settings.main_bits;
  residual_bits_ = settings.residual_bits;
  const int64_t words = ceil_div(group_ * (main_bits_ + residual_bits_), 32);
  indices_ = &module.expect("indices", {DType::I32}, {groups_, ceil_div(rows_, vector_), words});
  centroids_ = &module.expect("centroids.weight", kFloats, {groups_, settings.centroids * vector_});
  if (residual_bits_ > 0) {
    residuals_ = &module.expect("res_centroids.weight", kFloats, {groups_, settings.residuals * vector_});
  }
  find_columns(settings);
  parts_ = parts_of(module, kRoles);
}

/// What single columns have of their own.
void Vptq::find_columns(const Settings& settings) {
  outliers_ = settings.outliers;
  if (outliers_ > 0) {
    outlier_vector_ = settings.outlier_vector;
    outlier_indices_ =
        &module_.expect("outlier_indices", kUnsigned16, {1, ceil_div(rows_, outlier_vector_), outliers_});
    outlier_centroids_ =
        &module_.expect("outlier_centroids.weight", kFloats, {1, settings.outlier_centroids * outlier_vector_});
  }
  if (settings.perm) perm_ = &module_.expect("perm", kUnsigned16, {cols_});
  if (settings.norm) {
    scale_ = &module_.expect("weight_scale", kFloats, {cols_});
    bias_ = &module_.expect("weight_bias", kFloats, {cols_});
  }
}

std::string Vptq::format() const {
  std::string name = fmt::format("vptq/v{}-k{}", vector_, int64_t{1} << main_bits_);
  if (residual_bits_ > 0) name += fmt::format("-r{}", int64_t{1} << residual_bits_);
  if (outliers_ > 0) name += "-outliers";
  return name;
}

/// What every tile needs whole: the codebooks and one number for each column.
struct Vptq::Tables {
  std::vector<float> centroids, residuals, outlier_centroids, scale, bias;
  std::vector<int32_t> column;  // stored column of each column of the weight

  explicit Tables(const Vptq& weight) : column(weight.stored_columns()) {
    const auto read = [&](const StoredTensor* tensor) {
      if (!tensor) return std::vector<float>();
      std::vector<float> values = read_floats(weight.module_.checkpoint(), *tensor);
      require_finite(weight.module_, *tensor, values);
      return values;
    };
    centroids = read(weight.centroids_);
    residuals = read(weight.residuals_);
    outlier_centroids = read(weight.outlier_centroids_);
    scale = read(weight.scale_);
    bias = read(weight.bias_);
  }
};

/// The inverse of perm.
std::vector<int32_t> Vptq::stored_columns() const {
  std::vector<int32_t> stored(cols_, -1);
  if (!perm_) {
    for (int64_t c = 0; c < cols_; ++c) stored[c] = static_cast<int32_t>(c);
    return stored;
  }
  const auto perm = read_elements<uint16_t>(module_.checkpoint(), *perm_);
  for (int64_t j = 0; j < cols_; ++j) {
    if (perm[j] >= cols_ || stored[perm[j]] != -1) {
      fail("{}: {}[{}] is {}; expected each of 0 to {} once. The checkpoint is damaged", name(), perm_->name, j,
           perm[j], cols_ - 1);
    }
    stored[perm[j]] = static_cast<int32_t>(j);
  }
  return stored;
}

/// The rows [vector_row * v, + v) of the stored columns behind the outliers, [in - no, v].
template <int kLength>
void Vptq::read_vectors(const Tables& tables, int64_t vector_row, float* vectors) const {
  const int64_t length = kLength > 0 ? kLength : vector_;
  const int64_t width = indices_->shape[2];
  const int bits = main_bits_ + residual_bits_;
  const uint64_t mask = (uint64_t{1} << bits) - 1, main_mask = (uint64_t{1} << main_bits_) - 1;
  for (int64_t g = 0; g < groups_; ++g) {
    const auto words =
        read_elements<uint32_t>(module_.checkpoint(), *indices_, (g * indices_->shape[1] + vector_row) * width, width);
    const float* centroids = tables.centroids.data() + (g << main_bits_) * length;
    const float* residuals = tables.residuals.data() + (g << residual_bits_) * length;
    for (int64_t i = 0; i < group_; ++i, vectors += length) {
      const int64_t bit = i * bits, word = bit / 32;
      uint64_t window = words[word];
      if (bit % 32 + bits > 32) window |= static_cast<uint64_t>(words[word + 1]) << 32;
      const uint64_t entry = window >> bit % 32 & mask;
      const float* main = centroids + static_cast<int64_t>(entry & main_mask) * length;
      if (residual_bits_ == 0) {
        std::copy_n(main, length, vectors);
        continue;
      }
      const float* residual = residuals + static_cast<int64_t>(entry >> main_bits_) * length;
      for (int64_t r = 0; r < length; ++r) vectors[r] = main[r] + residual[r];
    }
  }
}

/// The outlier columns of one row, [no], `vector_` apart.
void Vptq::place_outliers(const Tables& tables, int64_t row, float* w) const {
  const auto indices =
      read_elements<uint16_t>(module_.checkpoint(), *outlier_indices_, row / outlier_vector_ * outliers_, outliers_);
  const auto count = static_cast<int64_t>(tables.outlier_centroids.size()) / outlier_vector_;
  for (int64_t i = 0; i < outliers_; ++i) {
    if (indices[i] >= count) {
      fail("{}: {}[0, {}, {}] is {}; expected a centroid from 0 to {}. The checkpoint is damaged", name(),
           outlier_indices_->name, row / outlier_vector_, i, indices[i], count - 1);
    }
    w[i * vector_] = tables.outlier_centroids[indices[i] * outlier_vector_ + row % outlier_vector_];
  }
}

void Vptq::decode(int64_t begin, int64_t end, float* out) const {
  const Tables tables(*this);
  const auto read = vector_ == 8   ? &Vptq::read_vectors<8>
                    : vector_ == 4 ? &Vptq::read_vectors<4>
                                   : &Vptq::read_vectors<0>;
  std::vector<float> stored(cols_ * vector_);  // [cols, v]
  int64_t loaded = -1;
  for (int64_t row = begin; row < end; ++row, out += cols_) {
    if (row / vector_ != loaded) {
      loaded = row / vector_;
      (this->*read)(tables, loaded, stored.data() + outliers_ * vector_);
    }
    float* of_row = stored.data() + row % vector_;
    if (outliers_ > 0) place_outliers(tables, row, of_row);
    for (int64_t c = 0; c < cols_; ++c) out[c] = of_row[tables.column[c] * vector_];
    if (!scale_) continue;
    for (int64_t c = 0; c < cols_; ++c) out[c] = out[c] * tables.scale[c] + tables.bias[c];
  }
}

}  // namespace assay
