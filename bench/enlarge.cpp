#include "enlarge.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"

namespace assay {

namespace {

namespace fs = std::filesystem;

struct Size {
  int64_t rows, cols;
};

/// One tensor of a module and the size of that module's weight.
struct Sample {
  Size weight;
  std::vector<int64_t> shape;
};

std::string suffix_of(const StoredTensor& tensor, const std::string& module) {
  return tensor.name.substr(module.size());
}

/// The tensors "<module>.*", deeper ones too ("weight._data._data").
std::vector<const StoredTensor*> tensors_of(const Checkpoint& checkpoint, const std::string& module) {
  std::vector<const StoredTensor*> found;
  for (auto it = checkpoint.tensors().lower_bound(module + "."); it != checkpoint.tensors().end(); ++it) {
    if (!it->first.starts_with(module + ".")) break;
    found.push_back(&it->second);
  }
  return found;
}

/// Shapes of the tensor with this suffix in all modules of one format, `weight` first.
std::vector<Sample> samples(const Checkpoint& checkpoint, const QuantConfig& quant, const StoredWeight& weight,
                            const StoredTensor& tensor) {
  std::vector<Sample> out = {{{weight.rows(), weight.cols()}, tensor.shape}};
  const std::string suffix = suffix_of(tensor, weight.name());
  for (const auto& [name, other] : checkpoint.tensors()) {
    if (!name.ends_with(suffix) || other.shape.size() != tensor.shape.size()) continue;
    const std::string module = name.substr(0, name.size() - suffix.size());
    if (module.find(".layers.") == std::string::npos || module == weight.name()) continue;
    try {
      const auto opened = open_weight(Module(checkpoint, quant, module));
      if (opened->format() == weight.format()) out.push_back({{opened->rows(), opened->cols()}, other.shape});
    } catch (const Error&) {
      continue;
    }
  }
  return out;
}

/// The size of one axis when the weight is `to`: it grows with the rows, the columns, both or neither.
int64_t enlarged(const std::vector<Sample>& samples, size_t axis, Size to) {
  const auto grown = [](int64_t size, bool by_rows, bool by_cols, Size from, Size to) -> int64_t {
    const int64_t factor = (by_rows ? to.rows : 1) * (by_cols ? to.cols : 1);
    const int64_t divisor = (by_rows ? from.rows : 1) * (by_cols ? from.cols : 1);
    return size * factor % divisor == 0 ? size * factor / divisor : -1;
  };
  const Sample& own = samples.front();
  const int64_t size = own.shape[axis];
  std::vector<std::pair<bool, bool>> rules;
  for (const auto& rule :
       {std::pair(true, false), std::pair(false, true), std::pair(true, true), std::pair(false, false)}) {
    const bool holds = std::all_of(samples.begin(), samples.end(), [&](const Sample& sample) {
      return grown(size, rule.first, rule.second, own.weight, sample.weight) == sample.shape[axis];
    });
    if (holds) rules.push_back(rule);
  }
  // Modules of one format may differ in bits and groups; then each speaks for itself.
  if (rules.empty() && samples.size() > 1) return enlarged({own}, axis, to);
  if (rules.empty()) fail("axis {} of size {} grows by no simple rule", axis, size);
  // All samples have one shape: the side of 768 shows by its factor of 3.
  if (rules.size() > 1) {
    const bool of_rows = own.weight.rows % 3 == 0, of_cols = own.weight.cols % 3 == 0;
    const bool by_rows = of_rows != of_cols ? (size % 3 == 0) == of_rows : axis == 0;
    const std::pair wanted(by_rows, !by_rows);
    if (std::find(rules.begin(), rules.end(), wanted) != rules.end()) rules = {wanted};
  }
  const int64_t out = grown(size, rules.front().first, rules.front().second, own.weight, to);
  if (out < 0) fail("axis {} of size {} does not grow to {} x {}", axis, size, to.rows, to.cols);
  return out;
}

/// The tensor repeated along every axis up to `shape`.
std::vector<std::byte> tiled(const std::vector<std::byte>& data, const std::vector<int64_t>& from,
                             const std::vector<int64_t>& to, size_t element) {
  std::vector<std::byte> current = data;
  size_t inner = element;
  for (size_t axis = from.size(); axis-- > 0;) {
    const size_t outer_from = current.size() / inner / static_cast<size_t>(from[axis]);
    std::vector<std::byte> next(outer_from * static_cast<size_t>(to[axis]) * inner);
    for (size_t block = 0; block < outer_from; ++block) {
      const std::byte* in = current.data() + block * static_cast<size_t>(from[axis]) * inner;
      std::byte* out = next.data() + block * static_cast<size_t>(to[axis]) * inner;
      for (int64_t i = 0; i < to[axis]; ++i) std::memcpy(out + i * inner, in + i % from[axis] * inner, inner);
    }
    current = std::move(next);
    inner *= static_cast<size_t>(to[axis]);
  }
  return current;
}

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

/// Tensors whose values speak of sizes or positions.
bool rewrite(const StoredTensor& tensor, const std::string& suffix, Size from, Size to, int64_t groups,
             std::vector<std::byte>& data, std::vector<int64_t>& shape) {
  if (suffix == ".weight_shape" || suffix == ".shape") {
    shape = tensor.shape;
    data = bytes_of(std::vector<int64_t>{to.rows, to.cols});
    return true;
  }
  if (suffix.ends_with("g_idx")) {
    std::vector<int32_t> index(to.cols);
    for (int64_t i = 0; i < to.cols; ++i) index[i] = static_cast<int32_t>(i * groups / to.cols);
    shape = {to.cols};
    data = bytes_of(index);
    return true;
  }
  if (suffix == ".perm") {
    std::vector<uint16_t> order(to.cols), old(from.cols);
    std::memcpy(old.data(), data.data(), data.size());
    for (int64_t i = 0; i < to.cols; ++i) {
      order[i] =
          static_cast<uint16_t>(i / from.cols * from.cols + old[i % from.cols] % (to.cols - i / from.cols * from.cols));
    }
    shape = {to.cols};
    data = bytes_of(order);
    return true;
  }
  if (suffix.find("quant_state") != std::string::npos) {
    Json state = Json::parse(std::string(reinterpret_cast<const char*>(data.data()), data.size()));
    state["shape"] = {to.rows, to.cols};
    const std::string text = state.dump();
    shape = {static_cast<int64_t>(text.size())};
    data = bytes_of(std::vector<char>(text.begin(), text.end()));
    return true;
  }
  return false;
}

/// Codebooks and the texts of HQQ do not depend on the weight's size.
bool grows(const std::string& suffix) {
  for (const char* part : {"codebooks", "centroids", ".packing", "_dtype", "quant_map"}) {
    if (suffix.find(part) != std::string::npos) return false;
  }
  return true;
}

/// HQQ stores a matrix of groups, which lie along the axis that its scales have.
std::vector<int64_t> of_groups(const Checkpoint& checkpoint, const StoredWeight& weight, const StoredTensor& tensor,
                               Size to) {
  std::vector<int64_t> shape = tensor.shape;
  if (!grows(suffix_of(tensor, weight.name())) || shape.size() != 2) return shape;
  const size_t axis = checkpoint.at(weight.name() + ".scale").shape[0] == 1 ? 1 : 0;
  shape[axis] = shape[axis] * to.rows / weight.rows() * to.cols / weight.cols();
  return shape;
}

/// The scales of AWQ's GEMV kernels have room for more groups than small weights have.
void pad_groups(const StoredTensor& tensor, const std::string& suffix, const QuantConfig& quant, Size to,
                std::vector<int64_t>& shape) {
  const bool zeros = suffix == ".qzeros";
  if (suffix != ".scales" && suffix != ".scaled_zeros" && !zeros) return;
  const int64_t groups = to.cols / quant.json().value("group_size", int64_t{128});
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == tensor.shape[axis]) shape[axis] = zeros && tensor.dtype == DType::I32 ? groups / 8 : groups;
  }
}

/// VPTQ's vectors of rows may be padded, and its outlier columns stay as many as they are.
int64_t outliers_in(const Json& layer) {
  return std::max(layer.value("outlier_size", int64_t{0}), int64_t{0});
}
bool of_vectors(const QuantConfig& quant, const StoredWeight& weight, const std::string& suffix, Size to,
                std::vector<int64_t>& shape) {
  if (quant.method() != "vptq" || !suffix.ends_with("indices")) return false;
  const Json& layer = quant.json()["config_for_layers"][weight.name()];
  const bool outlier = suffix == ".outlier_indices";
  const int64_t vector = layer["vector_lens"][outlier ? 0 : 1];
  shape[1] = (to.rows + vector - 1) / vector;
  if (outlier) return true;
  const auto bits = [&](const char* key) {
    return std::bit_width(static_cast<uint64_t>(std::max(layer[key][1].get<int64_t>(), int64_t{1}))) - 1;
  };
  const int64_t group = (to.cols - outliers_in(layer)) / shape[0];
  shape[2] = (group * (bits("num_centroids") + bits("num_res_centroids")) + 31) / 32;
  return true;
}

/// VPTQ's config has the sizes of every module, torchao's metadata its blocks.
void rewrite_sizes(const StoredWeight& weight, Size to, Json& config, Json& metadata) {
  const std::string key = weight.name() + ".weight";
  if (metadata.is_object() && metadata.contains(key)) {
    std::string text = metadata[key];
    const std::string block = fmt::format("[1, {}]", weight.cols());
    for (size_t at = 0; (at = text.find(block, at)) != std::string::npos;) {
      text.replace(at, block.size(), fmt::format("[1, {}]", to.cols));
    }
    metadata[key] = text;
  }
  Json* section = config.contains("quantization_config") ? &config["quantization_config"] : nullptr;
  if (!section || !section->contains("config_for_layers")) return;
  Json& layer = (*section)["config_for_layers"][weight.name()];
  layer["in_features"] = to.cols;
  layer["out_features"] = to.rows;
  layer["group_size"] = (to.cols - outliers_in(layer)) / layer.value("group_num", int64_t{1});
}

void write_file(const fs::path& path, const Json& header, const std::vector<std::vector<std::byte>>& parts) {
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const auto& part : parts)
    file.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
  if (!file) fail("{}: cannot be written", path.string());
}

}  // namespace

void enlarge(const Checkpoint& checkpoint, const QuantConfig& quant, const StoredWeight& weight, int64_t rows,
             int64_t cols, const fs::path& folder) {
  const Size from{weight.rows(), weight.cols()}, to{rows, cols};
  Json header = Json::object();
  for (const Checkpoint::File& file : checkpoint.files()) {
    for (const auto& [key, value] : file.metadata) header["__metadata__"][key] = value;
  }
  std::vector<std::vector<std::byte>> parts;
  uint64_t at = 0;
  int64_t groups = 0;
  std::vector<const StoredTensor*> tensors = tensors_of(checkpoint, weight.name());
  // Scales first: an index of groups counts them.
  std::stable_partition(tensors.begin(), tensors.end(), [](const StoredTensor* t) {
    return t->name.ends_with("scales") || t->name.ends_with("scale");
  });
  for (const StoredTensor* tensor : tensors) {
    const std::string suffix = suffix_of(*tensor, weight.name());
    std::vector<std::byte> data = checkpoint.read(*tensor);
    std::vector<int64_t> shape = tensor->shape;
    if (!rewrite(*tensor, suffix, from, to, groups, data, shape)) {
      const std::vector<Sample> seen = samples(checkpoint, quant, weight, *tensor);
      const bool counted = of_vectors(quant, weight, suffix, to, shape);
      for (size_t axis = 0; axis < shape.size() && grows(suffix) && !counted; ++axis) {
        if (shape[axis] != 1) shape[axis] = enlarged(seen, axis, to);
      }
      if (quant.method() == "hqq") shape = of_groups(checkpoint, weight, *tensor, to);
      if (quant.method() == "awq") pad_groups(*tensor, suffix, quant, to, shape);
      data =
          tiled(data, tensor->shape, shape, data.size() / std::max<size_t>(1, static_cast<size_t>(tensor->elements())));
    }
    if (suffix == ".scales") groups = shape[0];
    if (suffix == ".weight_scale" && shape.size() == 2) groups = shape[1];
    header[tensor->name] = {
        {"dtype", name_of(tensor->dtype)}, {"shape", shape}, {"data_offsets", {at, at + data.size()}}};
    at += data.size();
    parts.push_back(std::move(data));
  }
  Json config = checkpoint.config();
  rewrite_sizes(weight, to, config, header["__metadata__"]);
  if (header["__metadata__"].is_null()) header.erase("__metadata__");
  fs::create_directories(folder);
  write_file(folder / "model.safetensors", header, parts);
  std::ofstream(folder / "config.json") << config.dump(1);
  const fs::path source = checkpoint.files().front().path.parent_path();
  for (const auto& entry : fs::directory_iterator(source)) {
    if (entry.path().filename() == "config.json" || entry.path().extension() != ".json" ||
        entry.path().filename().string().find("index") != std::string::npos)
      continue;
    fs::copy_file(entry.path(), folder / entry.path().filename(), fs::copy_options::overwrite_existing);
  }
}

}  // namespace assay
