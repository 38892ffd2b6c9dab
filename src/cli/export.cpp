#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/parallel.h"
#include "checkpoint/writer.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "formats/shared/reading.h"
#include "model/config.h"
#include "model/linears.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

/// Float32 values that are decoded at once, by all threads together.
constexpr int64_t kTileFloats = int64_t{1} << 22;

/// What travels beside the weights, as far as it is there.
constexpr const char* kSideFiles[] = {"tokenizer.json",
                                      "tokenizer_config.json",
                                      "special_tokens_map.json",
                                      "added_tokens.json",
                                      "vocab.json",
                                      "merges.txt",
                                      "vocab.txt",
                                      "tokenizer.model",
                                      "spiece.model",
                                      "chat_template.jinja",
                                      "chat_template.json",
                                      "generation_config.json",
                                      "tiktoken.model",
                                      "preprocessor_config.json"};
constexpr const char* kQuantKeys[] = {"quantization_config", "compression_config", "quantization"};

/// Gathers what the new checkpoint holds.
class Exporter {
 public:
  Exporter(const Checkpoint& checkpoint, const QuantConfig& quant, const ModelSpec& spec, DType dtype, ThreadPool& pool)
      : checkpoint_(checkpoint), quant_(quant), dtype_(dtype), pool_(pool) {
    add(open_embedding(checkpoint, quant, spec));
    for (const LayerSpec& layer : spec.layers) {
      if (const auto* latent = std::get_if<LatentAttentionSpec>(&layer.mixer)) add_latent(*latent);
    }
    for_each_linear(spec, [&](const LinearSpec& linear) {
      if (!modules_.contains(linear.module)) add(open_linear(checkpoint, quant, linear));
    });
    for (const LayerSpec& layer : spec.layers) {
      drop(open_attention_quant(checkpoint, quant, cache_module(layer.mixer)), cache_module(layer.mixer));
    }
    if (spec.layer_inputs) add(open_layer_embedding(checkpoint, quant, spec));
    if (!spec.tied) add(open_head(checkpoint, quant, spec));
    for (const auto& [name, tensor] : checkpoint.tensors()) {
      if (!claimed_.contains(&tensor)) copy(tensor);
    }
  }

  std::vector<PlainTensor> tensors;
  int64_t quantized_inputs = 0;  // linears whose activations the checkpoint quantizes

 private:
  void add(std::shared_ptr<const StoredWeight> weight) {
    if (!modules_.insert(weight->name()).second) return;
    if (weight->input_transform() || weight->output_transform()) refuse_transform(weight->name());
    quantized_inputs += weight->input_quant().active() || weight->output_quant().active();
    const bool plain_already = weight->format().starts_with("dense/");
    for (const StoredPart& part : weight->parts()) {
      claimed_.insert(part.tensor);
      if (part.role == Role::bias || (plain_already && part.role == Role::other)) copy(*part.tensor);
    }
    if (weight->format() == "mxfp4/experts") return add_stack(std::move(weight));
    PlainTensor plain;
    plain.name = weight->name() + ".weight";
    plain.shape = {weight->rows(), weight->cols()};
    const StoredTensor* parameter = weight->module().parameter();
    if (parameter && plain_already) {
      plain.name = parameter->name;
      plain.shape = parameter->shape;
    } else if (parameter || weight->module().tensors().empty()) {
      fail(
          "{}: experts stacked in one quantized tensor have no plain layout that every loader reads; they cannot be "
          "exported",
          weight->name());
    }
    plain.dtype = dtype_;
    plain.rows = weight->rows();
    plain.row_bytes = weight->cols() * (bits_of(dtype_) / 8);
    const int64_t alignment = weight->row_alignment();
    const int64_t part = std::max<int64_t>(kTileFloats / pool_.size() / weight->cols() / alignment, 1) * alignment;
    plain.rows_at_once = part * pool_.size();
    plain.produce = [this, weight, part, row_bytes = plain.row_bytes](int64_t begin, int64_t end, std::byte* out) {
      stop_if_interrupted();
      pool_.run((end - begin + part - 1) / part, [&](int64_t i) {
        const int64_t from = begin + i * part, to = std::min(from + part, end);
        decode(*weight, from, to, out + (from - begin) * row_bytes);
      });
    };
    tensors.push_back(std::move(plain));
  }

  /// Experts of gpt-oss: what is stored as [experts * out, in] is the parameter [experts, in, out] of the plain model.
  void add_stack(std::shared_ptr<const StoredWeight> weight) {
    const int64_t experts = weight->parts().at(0).tensor->shape.at(0), out_size = weight->rows() / experts;
    const int64_t in_size = weight->cols(), bytes = out_size * in_size * (bits_of(dtype_) / 8);
    tensors.push_back({weight->name(),
                       dtype_,
                       {experts, in_size, out_size},
                       experts,
                       bytes,
                       1,
                       [=, this](int64_t expert, int64_t, std::byte* out) {
                         stop_if_interrupted();
                         const std::vector<float> rows = decoded(*weight, expert * out_size, (expert + 1) * out_size);
                         std::vector<float> columns(rows.size());
                         pool_.run(in_size, [&](int64_t i) {
                           for (int64_t o = 0; o < out_size; ++o) columns[i * out_size + o] = rows[o * in_size + i];
                         });
                         store_floats(columns, dtype_, out);
                       }});
  }

  /// What llama.cpp's converter has taken apart is one matrix of the plain model, for each head rows of k, then of v.
  void add_latent(const LatentAttentionSpec& latent) {
    if (latent.k_b.module == latent.v_b.module) return;
    const std::shared_ptr<const StoredWeight> k = open_linear(checkpoint_, quant_, latent.k_b);
    const std::shared_ptr<const StoredWeight> v = open_linear(checkpoint_, quant_, latent.v_b);
    for (const auto& weight : {k, v}) {
      modules_.insert(weight->name());
      for (const StoredPart& part : weight->parts()) claimed_.insert(part.tensor);
    }
    const int64_t rows = latent.nope_dim + latent.value_dim, rank = latent.k_b.in;
    tensors.push_back({latent.module + ".kv_b_proj.weight",
                       dtype_,
                       {latent.heads * rows, rank},
                       latent.heads,
                       rows * rank * (bits_of(dtype_) / 8),
                       1,
                       [=, this](int64_t head, int64_t, std::byte* out) {
                         stop_if_interrupted();
                         const int64_t nope = latent.nope_dim, value = latent.value_dim;
                         std::vector<float> values(static_cast<size_t>(rows * rank));
                         decode_linear(*k, latent.k_b, head * nope, (head + 1) * nope, values.data());
                         decode_linear(*v, latent.v_b, head * value, (head + 1) * value, values.data() + nope * rank);
                         check_range(values, latent.module, head * rows, rank);
                         store_floats(values, dtype_, out);
                       }});
  }

  void decode(const StoredWeight& weight, int64_t begin, int64_t end, std::byte* out) const {
    store_floats(decoded(weight, begin, end), dtype_, out);
  }

  /// Rows [begin, end). Error where the new type cannot hold a value.
  std::vector<float> decoded(const StoredWeight& weight, int64_t begin, int64_t end) const {
    std::vector<float> values(static_cast<size_t>((end - begin) * weight.cols()));
    weight.decode(begin, end, values.data());
    check_range(values, weight.name(), begin, weight.cols());
    return values;
  }

  void check_range(const std::vector<float>& values, const std::string& name, int64_t first_row, int64_t cols) const {
    const auto overflows = [](float v) { return std::fabs(v) >= 65520 && std::isfinite(v); };
    const auto large = std::find_if(values.begin(), values.end(), overflows);
    if (dtype_ == DType::F16 && large != values.end()) {
      fail("{}: row {} holds {}, which float16 cannot; export as bf16 or f32", name,
           first_row + (large - values.begin()) / cols, *large);
    }
  }

  void drop(const AttentionQuant& attention, const std::string& module) {
    if (attention.q_transform || attention.k_transform) refuse_transform(module);
    for (const StoredPart& part : attention.parts) claimed_.insert(part.tensor);
  }

  /// What is no matrix of a layer stays as it is, to the bit.
  void copy(const StoredTensor& tensor) {
    const bool number = is_float(tensor.dtype) || tensor.dtype == DType::I64 || tensor.dtype == DType::BOOL;
    if (!number) {
      fail("{} {} belongs to no layer of the language model and is quantized: such a part cannot be exported",
           tensor.name, tensor.describe());
    }
    if (tensor.row_order || tensor.addend != 0) return copy_values(tensor);
    constexpr int64_t kChunk = 1 << 22;
    const auto bytes = static_cast<int64_t>(tensor.bytes);
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape, bytes, 1, kChunk,
                       [this, &tensor](int64_t begin, int64_t end, std::byte* out) {
                         stop_if_interrupted();
                         checkpoint_.read(tensor, begin, {out, static_cast<size_t>(end - begin)});
                       }});
  }

  /// A vector that the converter of a GGUF file has changed.
  void copy_values(const StoredTensor& tensor) {
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape, 1, static_cast<int64_t>(tensor.bytes), 1,
                       [this, &tensor](int64_t, int64_t, std::byte* out) {
                         store_floats(read_floats(checkpoint_, tensor), tensor.dtype, out);
                       }});
  }

  [[noreturn]] void refuse_transform(const std::string& module) const {
    fail(
        "{}: the checkpoint rotates activations here at run time, which a plain checkpoint cannot express; measure it "
        "with assay ppl or assay compare instead",
        module);
  }

  const Checkpoint& checkpoint_;
  const QuantConfig& quant_;
  DType dtype_;
  ThreadPool& pool_;
  std::set<std::string> modules_;
  std::set<const StoredTensor*> claimed_;
};

/// config.json of a model that is not quantized.
Json plain_config(Json config, DType dtype) {
  const char* name = dtype == DType::F32 ? "float32" : dtype == DType::F16 ? "float16" : "bfloat16";
  const auto cleanse = [&](Json& section) {
    for (const char* key : kQuantKeys) section.erase(key);
    for (const char* key : {"torch_dtype", "dtype"}) {
      if (section.contains(key)) section[key] = name;
    }
  };
  cleanse(config);
  for (auto& [key, section] : config.items()) {
    if (section.is_object()) cleanse(section);
  }
  config["torch_dtype"] = name;
  return config;
}

void check_target(const ExportRequest& request, const fs::path& source) {
  std::error_code error;
  const fs::file_status status = fs::status(request.to, error);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status)) fail("{}: not a folder; name another one for --to", request.to.string());
  if (fs::equivalent(request.to, source, error)) {
    fail("{}: the model itself stands there; name another folder for --to", request.to.string());
  }
  if (!request.force && !fs::is_empty(request.to, error)) {
    fail("{}: the folder is not empty; name another one, or replace the checkpoint in it with --force",
         request.to.string());
  }
}

}  // namespace

int run(const ExportRequest& request) {
  Console console(false);
  const Checkpoint checkpoint = Checkpoint::open(request.model);
  const QuantConfig quant = QuantConfig::of(checkpoint);
  const ModelSpec spec = read_model_spec(checkpoint, request.assume);
  const fs::path source = checkpoint.files().at(0).path.parent_path();
  check_target(request, source.empty() ? fs::path(".") : source);

  ThreadPool pool(request.threads > 0 ? request.threads : ThreadPool::available());
  const Exporter exporter(checkpoint, quant, spec, request.dtype, pool);
  CheckpointWriter writer(request.to);
  {
    Progress progress(console, "Exporting");
    writer.write_tensors(exporter.tensors, request.shard_bytes, [&](double done) { progress.update(done); });
  }
  const int weight_files = writer.files();  // with their index
  for (const char* name : kSideFiles) {
    if (fs::is_regular_file(source / name)) writer.copy(source / name);
  }
  writer.write_text("config.json", plain_config(checkpoint.config(), request.dtype).dump(2) + "\n");
  writer.commit();

  uint64_t bytes = 0;
  for (const PlainTensor& tensor : exporter.tensors) bytes += tensor.bytes();
  console.say("{}: {} tensors, {:.3f} GB in {} file{}", request.to.string(), exporter.tensors.size(),
              static_cast<double>(bytes) / 1e9, weight_files, weight_files == 1 ? "" : "s");
  if (exporter.quantized_inputs > 0) {
    console.note(fmt::format("{} modules quantize their activations in {}; the export is of weights only",
                             exporter.quantized_inputs, request.model.string()));
  }
  return 0;
}

}  // namespace assay
