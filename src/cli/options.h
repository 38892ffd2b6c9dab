#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/dtype.h"
#include "cli/outputs.h"
#include "device/device.h"

namespace assay {

/// Options of every command that runs models.
struct RunOptions {
  std::string device = "cpu";
  int threads = 0;
  Precision precision = Precision::f32;
  bool as_deployed = true;  ///< activations as the checkpoint declares them
  bool llama_cpp = false;   ///< of GGUF models, as llama.cpp rounds them on a CPU
  bool kv_cache = true;
  uint64_t memory_bytes = uint64_t{8} << 30;
  bool jensen_shannon = false;
  OutputOptions out;
  std::string assume;  ///< type of models whose own is unknown: "llama", or empty
  std::filesystem::path data_dir;
  std::filesystem::path cache_dir;
  bool use_cache = true;
  uint64_t reference_bytes = uint64_t{200} << 30;  ///< of all kept references
};

struct CompareRequest {
  RunOptions run;
  std::filesystem::path data_spec;
  std::filesystem::path text;  ///< replaces the data set's file; empty = not
  std::vector<std::string> model_specs;
  std::string mask;
  int64_t llama_cpp_length = 0;  ///< windows as llama.cpp's perplexity tool has them, of this length; 0 = the spec's
  bool clear_cache = false;
  std::filesystem::path logits;  ///< compare_q's stored logits, used as the reference; empty = none
  bool kld = false;              ///< the answer asked for is the divergence: needs a reference
  bool noise_floor = false;
};

struct PplRequest {
  RunOptions run;
  std::filesystem::path model;
  std::filesystem::path reference;  ///< what to compare it with; empty = nothing
  bool noise_floor = false;
  std::filesystem::path tokenizer;  ///< empty = the model's own
  std::string data = "wiki2";       ///< alias of a data set, or a text file
  std::filesystem::path text;       ///< as above
  std::filesystem::path tokens;     ///< JSON list of rows of token ids; empty = text is tokenized
  int64_t length = 2048, stride = 512;
  int64_t rows = 20;       ///< 0 = all, also the default for given tokens
  bool llama_cpp = false;  ///< the protocol of llama.cpp's perplexity tool; its defaults: length 512, all rows
};

/// `ppl` of two models, layer by layer; ppl.reference is there.
struct LayersRequest {
  PplRequest ppl;
};

/// qbench's project file. What the file says about output and cache stands where the command line is silent.
struct RunRequest {
  RunOptions run;
  std::filesystem::path project;
  bool clear_cache = false;
  bool own_cache_dir = false, own_reference_bytes = false;  ///< given on the command line
};

/// Reports of earlier runs become one.
struct MergeRequest {
  std::vector<std::filesystem::path> results;
  std::string mask;
  OutputOptions out;
};

struct InspectRequest {
  std::vector<std::filesystem::path> models;
  int threads = 0;
  bool layers = false, json = false, sha256 = false;
  std::string assume;  ///< as RunOptions has it
};

struct ExportRequest {
  std::filesystem::path model, to;
  DType dtype = DType::BF16;
  uint64_t shard_bytes = 5'000'000'000;
  int threads = 0;
  bool force = false;
  std::string assume;  ///< as RunOptions has it
};

struct FormatsRequest {
  std::vector<std::string> names;  ///< what to look up; empty = everything
  bool json = false;
  bool markdown = false;  ///< docs/formats.md
};
struct ArchitecturesRequest {
  bool json = false;
};
/// --help, --version: a text for stdout.
struct TextRequest {
  std::string text;
};

using Request = std::variant<CompareRequest, PplRequest, LayersRequest, RunRequest, MergeRequest, InspectRequest,
                             ExportRequest, FormatsRequest, ArchitecturesRequest, TextRequest>;

/// The arguments after the program's name. Throws Error for bad usage. Reads $ASSAY_DATA, $XDG_CACHE_HOME and $HOME.
Request parse_command_line(const std::vector<std::string>& arguments);

}  // namespace assay
