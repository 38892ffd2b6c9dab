#include "cli/help.h"

#include <map>

#include "base/error.h"
#include "report/result.h"

namespace assay {

namespace {

constexpr const char* kOverview = R"(assay - what did quantization cost this model?

Usage: assay COMMAND [OPTIONS]

  compare        bits per weight, perplexity and KL divergence of several models, from compare_q's
                 two JSON specs
  run            the same from qbench's project file
  ppl            the same for one model, without specs
  layers         where the error of a model comes from, layer by layer and tensor by tensor
  merge          reports of separate runs as one; new tables and charts of old results
  inspect        what is in a checkpoint: formats and exact bits, from its headers only
  export         the decoded weights as a plain checkpoint
  formats        the storage formats that this version decodes
  architectures  the model types that this version runs

  assay COMMAND --help explains a command; assay --version names this version.

MODEL is a directory with .safetensors files and a config.json, a hub snapshot, or one such file; or
a .gguf file.
Every model runs through the same arithmetic, so formats are compared and not engines.

Examples:
  assay inspect ~/models/Llama-3.1-8B-NVFP4
  assay ppl ~/models/Llama-3.1-8B-NVFP4
  assay compare -d data.json -m models.json -o results.json

Exit status: 0 done, 1 some models failed (others are reported), 2 bad usage or input, 130 Ctrl-C.
)";

constexpr const char* kRunOptions = R"(
Measuring:
  --precision f32|bf16     operands of matrix products; sums and statistics are never rounded (f32)
  --activations as-deployed|none|llama.cpp
                           emulate the activation quantization that a checkpoint declares, or
                           measure its weights only (as-deployed); of GGUF models, which declare
                           none, emulate how llama.cpp rounds them and its KV cache on a CPU
  --kv-cache as-deployed|none
                           the same for a quantized KV cache (as-deployed)
  --assume llama           run models of unknown type as Llama, if tensors and keys are all Llama's
  --device cpu             where to compute (cpu)
  --threads N              threads to use (all)
  --memory SIZE            target for the peak; beyond it, hidden states go to a file (8GiB)
)";

constexpr const char* kDivergenceOption =
    R"(  --jensen-shannon         the Jensen-Shannon divergence too, where there is a reference; a second
                           pass over the head
)";

constexpr const char* kOutputOptions = R"(
Results:
  -o, --output FILE        report as JSON; .csv, .md and .html give a table or a page. Opened before
                           the first measurement and valid after each model
  --html FILE              the whole report as one page, charts and all
  --format table|json|csv|markdown
                           what is printed on stdout; all but the table come alone (table)
  --json                   --format json

Charts (.svg, .png or .pdf):
  -p, --plot               size against quality, in assay-chart.png
  -pf, --plot_file FILE    the same in that file
  -kld, --kld              KL divergence on the y axis, not perplexity
  -v, --vram               GiB on the x axis, not bits per weight
  -mx, --max_x N           leave out points beyond, on the x axis
  -my, --max_y N           and on the y axis
  -t, --title TEXT         title
  -dark, --dark            light on dark
  --log                    a logarithmic y axis
  --plot_width N           pixels; 400 is for telephones (1200)
  --plot_spread FILE       percentiles of the KL divergence
  --plot_hist FILE         its distribution, one panel a model
  --plot_hist_combined FILE
                           its distribution, all models in one panel
)";

constexpr const char* kLayersOutput = R"(
Results:
  -o, --output FILE        JSON, or CSV where FILE ends in .csv
  --format table|json|csv  what is printed on stdout; all but the table come alone (table)
  --json                   --format json
  -pf, --plot_file FILE    bars for each layer and kind of linear: .svg, .png or .pdf
  -t, --title TEXT         title of the chart
  -dark, --dark            light on dark
  --plot_width N           pixels; 400 is for telephones (1200)
)";

constexpr const char* kDataOption = R"(
Files:
  --data-dir DIR           where data sets are looked for ($ASSAY_DATA)
)";

constexpr const char* kCacheOptions =
    R"(  --cache-dir DIR          where finished results are kept ($XDG_CACHE_HOME/assay, ~/.cache/assay);
                           they are found again by the content of a model, not by name or date
  --no-cache               neither read nor write results there
  --reference-cache SIZE   room for kept references in the cache; the oldest go first (200GiB)
)";

constexpr const char* kCompare = R"(Bits per weight, perplexity and divergence of several models on the same tokens.

Usage: assay compare -d FILE -m FILE... [OPTIONS]

Specs (compare_q's, unchanged):
  -d, --dataspec FILE      what to read: tokenizer_dir, dataset, eval_len, eval_stride, max_rows...
  -m, --modelspec FILE...  which models: JSON arrays of {label, model_dir, load_fn, fwd_fn, ...};
                           several files are joined, * is expanded
  -mask, --mask "a;b"      only models whose label contains one of the parts, in any case (and the
                           reference)
  -lf, --logits_file PATH  logits that compare_q has stored, a file or a folder, are the reference
  --noise-floor            measure the reference against itself in the other precision as well
  -cc, --clear_cache       forget what is known about the selected models, and measure again
  --text FILE              the data set's file, wherever it is, such as wiki.test.raw
  --protocol llama.cpp     windows and scoring of llama.cpp's perplexity tool instead of the spec's
  --length N               tokens in such a window (512)
)";

constexpr const char* kCompareEnd = R"(
Paths in a spec count from the spec. load_fn and fwd_fn may name any of compare_q's engines: what a
model is, its files say.
A model with "out_logits" is the reference: the KL divergence of the others from it is measured.
What is kept of it are its last hidden states and its head, in the cache, and no logits. With -kld,
nothing is run without a reference.

Example:
  assay compare -d wiki2.json -m llama-*.json -mask "awq;nvfp4" -o results.json
)";

constexpr const char* kRun = R"(Everything that a qbench project file asks for.

Usage: assay run PROJECT.yaml [OPTIONS]

  -d, --device DEVICE      as --device
  --clear_cache            forget what is known about the models, and measure again
)";

constexpr const char* kRunEnd = R"(
All charts of the project (output.plot_...) are drawn, and those that the options ask for.
The project's own cache (logit_cache) and results file (output.results) are used, unless --cache-dir
or -o say otherwise. Paths in the file count from the file. An interrupted run goes on where it
stopped when it is started again.

Example:
  assay run llama-8b.yaml
)";

constexpr const char* kPpl = R"(Perplexity and bits per weight of one model, and its divergence from another.

Usage: assay ppl MODEL [OPTIONS]

  --reference MODEL        the unquantized model: KL divergence and agreement are measured too
  --noise-floor            the reference against itself in the other precision: a divergence below
                           that says nothing

Text:
  --data wiki2|FILE        the wikitext-2 test set, found in the data folder, or a text file (wiki2)
  --text FILE              the data set's file, wherever it is, such as wiki.test.raw
  --length N               tokens in a window (2048)
  --stride N               distance of window starts (512)
  --rows N                 windows to score, 0 = all (20)
  --protocol llama.cpp     as llama.cpp's perplexity tool: the file's bytes, disjoint windows (512),
                           a BOS in each, second halves scored, all windows
  --tokenizer PATH         a folder, or a .json, .model or .gguf file (the model's own)
  --tokens FILE            rows of token ids instead of text: [[1, 2, ...], ...]
)";

constexpr const char* kPplEnd = R"(
Examples:
  assay ppl ~/models/Qwen3-8B-AWQ --reference ~/models/Qwen3-8B
  assay ppl ~/models/Qwen3-8B-AWQ --data chapter.txt --length 512 --stride 512 --rows 0
)";

constexpr const char* kLayers = R"(Where the error of a quantized model comes from.

Usage: assay layers REFERENCE MODEL [OPTIONS]

Both models run side by side on the same text. Of each layer, the error of the hidden states is
measured with this layer alone taken from MODEL, and with all layers up to it; of each linear, the
error of its weights, and of the hidden states with this linear alone taken from MODEL.

Text:
  --data, --text, --tokenizer, --tokens
                           as in assay ppl
  --length N, --stride N, --rows N
                           windows (512, 512, 4): more text changes the errors little
)";

constexpr const char* kLayersEnd = R"(
Example:
  assay layers ~/models/Qwen3-8B ~/models/Qwen3-8B-AWQ
)";

constexpr const char* kMerge = R"(Reports of separate runs as one, and new tables and charts of old results.

Usage: assay merge RESULT.json... [OPTIONS]

  -mask, --mask "a;b"      only models whose label contains one of the parts, in any case (and the
                           reference)
)";

constexpr const char* kMergeEnd = R"(
The runs must have read the same tokens in the same way, and had the same reference. A model that
several of them have measured alike is there once.

Examples:
  assay merge llama-*.json -o all.json --html all.html
  assay merge all.json -pf kld.svg -kld -mx 6 --log
)";

constexpr const char* kInspect = R"(What is in a checkpoint, in exact bits, from its headers alone.

Usage: assay inspect MODEL... [OPTIONS]

  --layers                 one line for each layer
  --assume llama           read models of unknown type as Llama
  --sha256                 hash every decoded weight (float32, little-endian, row-major)
  --json                   print JSON
  --threads N              threads for --sha256 (all)

Bits count every stored tensor that a weight needs: codes, scales, zero points, permutations, ...
Beside them stand the numbers that compare_q would print.

Examples:
  assay inspect ~/models/Qwen3-8B-AWQ
  assay inspect --json --sha256 ~/models/Qwen3-8B-AWQ > tensors.json
)";

constexpr const char* kExport = R"(The decoded weights as a plain Hugging Face checkpoint.

Usage: assay export MODEL --to DIR [OPTIONS]

  --to DIR                 where to write; must be empty or not be there yet
  --dtype bf16|f16|f32     type of the decoded weights; only f32 keeps every bit (bf16)
  --max-shard-size SIZE    cut the weights into files of at most this size (5GB)
  --assume llama           read a model of unknown type as Llama
  --force                  replace the checkpoint that DIR holds
  --threads N              threads to use (all)

Biases, norms and whatever else is plain are copied as they stand, and so are the tokenizer's files.
Quantization of activations is left out. Weights are read, decoded and written in pieces: a model
of any size needs little memory.

Example:
  assay export ~/models/Qwen3-8B-AWQ --to ~/models/Qwen3-8B-from-AWQ
)";

constexpr const char* kFormats = R"(The storage formats that this version decodes.

Usage: assay formats [NAME...] [--json | --markdown]

  NAME                     only what this means: a family, a format, a tool (gptqmodel), or what a
                           config calls it (BitsAndBytesConfig, bitsandbytes_4bit)
  --json                   print JSON
  --markdown               print the page of the documentation

Example:
  assay formats gptqmodel nvfp4
)";

constexpr const char* kArchitectures = R"(The model types ("model_type" in config.json) that this version runs.

Usage: assay architectures [--json]
)";

}  // namespace

const std::vector<std::string>& commands() {
  static const std::vector<std::string> names = {"compare", "run",    "ppl",     "layers",       "merge",
                                                 "inspect", "export", "formats", "architectures"};
  return names;
}

std::string help_text(const std::string& command) {
  const std::map<std::string, std::string> pages = {
      {"", kOverview},
      {"compare", std::string(kCompare) + kRunOptions + kDivergenceOption + kOutputOptions + kDataOption +
                      kCacheOptions + kCompareEnd},
      {"run",
       std::string(kRun) + kRunOptions + kDivergenceOption + kOutputOptions + kDataOption + kCacheOptions + kRunEnd},
      {"ppl",
       std::string(kPpl) + kRunOptions + kDivergenceOption + kOutputOptions + kDataOption + kCacheOptions + kPplEnd},
      {"layers", std::string(kLayers) + kRunOptions + kLayersOutput + kDataOption + kLayersEnd},
      {"merge", std::string(kMerge) + kOutputOptions + kMergeEnd},
      {"inspect", kInspect},
      {"export", kExport},
      {"formats", kFormats},
      {"architectures", kArchitectures},
  };
  return pages.at(command);
}

std::string version_text() {
  return fmt::format("assay {}\n", kVersion);
}

}  // namespace assay
