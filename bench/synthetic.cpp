// Writes a checkpoint of random weights in the shape of a real model, to measure speed and memory without downloading
// one.
//   bench_synthetic OUT [--shape 135m|1b|8b|70b] [--format bf16|nvfp4] [--vocab N] [--layers N]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Shape {
  int64_t hidden, layers, heads, kv_heads, head_dim, mlp, vocab;
};
const std::map<std::string, Shape> kShapes = {
    {"135m", {576, 30, 9, 3, 64, 1536, 49152}},
    {"1b", {2048, 16, 32, 8, 64, 8192, 32000}},
    {"8b", {4096, 32, 32, 8, 128, 14336, 8192}},
    {"70b", {8192, 80, 64, 8, 128, 28672, 128256}},
};

/// Random bytes fast enough for gigabytes (xorshift64*).
class Random {
 public:
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }

 private:
  uint64_t state_ = 88172645463325252ULL;
};

struct Tensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  int64_t bytes;
  std::function<void(Random&, std::vector<char>&)> fill;  // one chunk
};

class Writer {
 public:
  explicit Writer(bool nvfp4) : nvfp4_(nvfp4) {}

  /// bf16 values around +-spread: random sign and mantissa under an exponent of about the spread.
  void plain(const std::string& name, const std::vector<int64_t>& shape, float spread) {
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    uint32_t bits;
    memcpy(&bits, &spread, 4);
    const auto exponent = static_cast<uint16_t>(bits >> 16 & 0x7f80);
    tensors_.push_back({name, "BF16", shape, count * 2, [exponent](Random& random, std::vector<char>& chunk) {
                          auto* out = reinterpret_cast<uint16_t*>(chunk.data());
                          for (size_t i = 0; i < chunk.size() / 2; ++i)
                            out[i] = static_cast<uint16_t>(exponent | (random.next() & 0x807f));
                        }});
  }
  void ones(const std::string& name, int64_t count) {
    tensors_.push_back({name, "BF16", {count}, count * 2, [](Random&, std::vector<char>& chunk) {
                          for (size_t i = 0; i < chunk.size(); i += 2)
                            chunk[i] = static_cast<char>(0x80), chunk[i + 1] = 0x3f;
                        }});
  }
  void linear(const std::string& name, int64_t out, int64_t in) {
    const float spread = 1 / std::sqrt(static_cast<float>(in));
    if (!nvfp4_) return plain(name + ".weight", {out, in}, spread);
    tensors_.push_back(
        {name + ".weight_packed", "U8", {out, in / 2}, out * in / 2, [](Random& random, std::vector<char>& chunk) {
           for (char& byte : chunk) byte = static_cast<char>(random.next());
         }});
    tensors_.push_back({name + ".weight_scale",
                        "F8_E4M3",
                        {out, in / 16},
                        out * in / 16,
                        [](Random& random, std::vector<char>& chunk) {
                          for (char& byte : chunk) byte = static_cast<char>(0x38 + random.next() % 8);  // 1 to 1.875
                        }});
    const float global = 3 / spread;
    tensors_.push_back({name + ".weight_global_scale", "F32", {1}, 4, [global](Random&, std::vector<char>& chunk) {
                          memcpy(chunk.data(), &global, 4);
                        }});
  }

  void write(const std::filesystem::path& path) const {
    nlohmann::ordered_json header;
    int64_t offset = 0;
    for (const Tensor& t : tensors_) {
      header[t.name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {offset, offset + t.bytes}}};
      offset += t.bytes;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::ofstream file(path, std::ios::binary);
    const uint64_t size = text.size();
    file.write(reinterpret_cast<const char*>(&size), 8) << text;
    Random random;
    for (const Tensor& t : tensors_) {
      for (int64_t done = 0; done < t.bytes;) {
        std::vector<char> chunk(static_cast<size_t>(std::min<int64_t>(t.bytes - done, 1 << 20)));
        t.fill(random, chunk);
        file.write(chunk.data(), static_cast<std::streamsize>(chunk.size()));
        done += static_cast<int64_t>(chunk.size());
      }
    }
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
  }

 private:
  bool nvfp4_;
  std::vector<Tensor> tensors_;
};

nlohmann::json config(const Shape& s, bool nvfp4) {
  nlohmann::json json = {{"architectures", {"LlamaForCausalLM"}},
                         {"model_type", "llama"},
                         {"hidden_act", "silu"},
                         {"attention_bias", false},
                         {"mlp_bias", false},
                         {"tie_word_embeddings", true},
                         {"vocab_size", s.vocab},
                         {"hidden_size", s.hidden},
                         {"intermediate_size", s.mlp},
                         {"num_hidden_layers", s.layers},
                         {"num_attention_heads", s.heads},
                         {"num_key_value_heads", s.kv_heads},
                         {"head_dim", s.head_dim},
                         {"max_position_embeddings", 8192},
                         {"rms_norm_eps", 1e-5},
                         {"rope_theta", 500000.0},
                         {"torch_dtype", "bfloat16"}};
  if (nvfp4) {
    const char* format = "nvfp4-pack-quantized";
    json["quantization_config"] = {{"quant_method", "compressed-tensors"},
                                   {"format", format},
                                   {"quantization_status", "compressed"},
                                   {"ignore", {"lm_head"}},
                                   {"config_groups",
                                    {{"group_0",
                                      {{"targets", {"Linear"}},
                                       {"input_activations", nullptr},
                                       {"format", format},
                                       {"weights",
                                        {{"num_bits", 4},
                                         {"type", "float"},
                                         {"symmetric", true},
                                         {"strategy", "tensor_group"},
                                         {"group_size", 16},
                                         {"dynamic", false}}}}}}}};
  }
  return json;
}

void run(int argc, char** argv) {
  if (argc < 2)
    throw std::runtime_error(
        "usage: bench_synthetic OUT [--shape 135m|1b|8b|70b] [--format bf16|nvfp4] [--vocab N] [--layers N]");
  std::map<std::string, std::string> options = {{"--shape", "135m"}, {"--format", "bf16"}};
  for (int i = 2; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  Shape s = kShapes.at(options["--shape"]);
  if (options.contains("--vocab")) s.vocab = std::stoll(options["--vocab"]);
  if (options.contains("--layers")) s.layers = std::stoll(options["--layers"]);
  const bool nvfp4 = options["--format"] == "nvfp4";

  Writer writer(nvfp4);
  writer.plain("model.embed_tokens.weight", {s.vocab, s.hidden}, 0.02f);
  writer.ones("model.norm.weight", s.hidden);
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i);
    writer.ones(layer + ".input_layernorm.weight", s.hidden);
    writer.ones(layer + ".post_attention_layernorm.weight", s.hidden);
    writer.linear(layer + ".self_attn.q_proj", s.heads * s.head_dim, s.hidden);
    writer.linear(layer + ".self_attn.k_proj", s.kv_heads * s.head_dim, s.hidden);
    writer.linear(layer + ".self_attn.v_proj", s.kv_heads * s.head_dim, s.hidden);
    writer.linear(layer + ".self_attn.o_proj", s.hidden, s.heads * s.head_dim);
    writer.linear(layer + ".mlp.gate_proj", s.mlp, s.hidden);
    writer.linear(layer + ".mlp.up_proj", s.mlp, s.hidden);
    writer.linear(layer + ".mlp.down_proj", s.hidden, s.mlp);
  }
  const std::filesystem::path out = argv[1];
  std::filesystem::create_directories(out);
  writer.write(out / "model.safetensors");
  std::ofstream(out / "config.json") << config(s, nvfp4).dump(1);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
