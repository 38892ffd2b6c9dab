#include "cli/options.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "cli/help.h"
#include "tokens/data_spec.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

using Arguments = std::vector<std::string>;

/// compare_q's options with one dash and several letters, which CLI11 would take for a bundle of short ones.
const std::map<std::string, std::string> kLongNames = {
    {"-mask", "--mask"}, {"-cc", "--clear_cache"}, {"-kld", "--kld"},      {"-mx", "--max_x"},
    {"-my", "--max_y"},  {"-dark", "--dark"},      {"-pf", "--plot_file"}, {"-lf", "--logits_file"}};

/// -mask awq -> --mask awq.
void use_long_names(Arguments& arguments) {
  for (std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (const auto known = kLongNames.find(name); known != kLongNames.end())
      argument = known->second + argument.substr(name.size());
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path default_cache_dir() {
  if (const std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty()) return fs::path(xdg) / "assay";
  if (const std::string home = environment("HOME"); !home.empty()) return fs::path(home) / ".cache" / "assay";
  return {};
}

/// One command's parser. Choices are strings here and become types in finish().
class Parser {
 public:
  explicit Parser(std::string command) : command_(std::move(command)) { app_.set_help_flag(); }

  CLI::App& app() { return app_; }

  CLI::Option* choice(const char* name, std::string& target, const std::vector<std::string>& values) {
    return app_.add_option(name, target)->check(CLI::IsMember(values));
  }

  void parse(Arguments arguments) {
    app_.allow_extras();
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
    try {
      app_.parse(arguments);
    } catch (const CLI::ParseError& e) {
      fail("{}: {} (see assay {} --help)", command_, e.what(), command_);
    }
    if (const Arguments rest = app_.remaining(); !rest.empty()) refuse(rest.front());
  }

 private:
  [[noreturn]] void refuse(const std::string& argument) const {
    if (!argument.starts_with('-'))
      fail("{}: unexpected argument \"{}\" (see assay {} --help)", command_, argument, command_);
    Arguments known;
    for (const CLI::Option* option : app_.get_options())
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    const auto meant = nearest(argument, known);
    fail("{}: unknown option \"{}\"{} (see assay {} --help)", command_, argument,
         meant ? fmt::format("; did you mean {}?", *meant) : "", command_);
  }

  std::string command_;
  CLI::App app_;
};

/// Where a report goes, and what one chart of it looks like.
class OutputParser {
 public:
  OutputParser(Parser& parser, OutputOptions& out, const std::vector<std::string>& formats) : out_(out) {
    CLI::App& app = parser.app();
    CLI::Option* format = parser.choice("--format", out_.format, formats);
    app.add_flag("--json", json_)->excludes(format);
    app.add_option("-o,--output", out_.output);
    app.add_option("--plot_file", file_);
    app.add_option("-t,--title", chart_.title);
    app.add_flag("--dark", dark_);
    app.add_option("--plot_width", chart_.width)->check(CLI::Range(320.0, 4000.0));
  }

  void finish() {
    if (json_) out_.format = "json";
    add(ChartKind::scatter, file_);
  }

 protected:
  void add(ChartKind kind, const fs::path& file) {
    if (!file.empty()) out_.charts.push_back({kind, file, chart_, dark_});
  }

  OutputOptions& out_;
  ChartOptions chart_;
  fs::path file_;

 private:
  bool json_ = false, dark_ = false;
};

/// The same of every command whose report is about models.
class ReportParser : public OutputParser {
 public:
  ReportParser(Parser& parser, OutputOptions& out) : OutputParser(parser, out, {"table", "json", "csv", "markdown"}) {
    CLI::App& app = parser.app();
    app.add_option("--html", out_.html);
    app.add_flag("-p,--plot", plot_);
    app.add_option("--plot_spread", spread_);
    app.add_option("--plot_hist", histogram_);
    app.add_option("--plot_hist_combined", combined_);
    app.add_flag("--kld", kld_);
    app.add_flag("-v,--vram", vram_);
    app.add_option("--max_x", chart_.max_x);
    app.add_option("--max_y", chart_.max_y);
    app.add_flag("--log", chart_.log_y);
  }

  bool kld() const { return kld_; }

  void finish() {
    chart_.x = vram_ ? ChartX::vram : ChartX::bpw;
    chart_.y = kld_ ? ChartY::kld : ChartY::ppl;
    if (plot_ && file_.empty()) file_ = "assay-chart.png";  // where compare_q opens a window
    OutputParser::finish();
    chart_.log_y = false;  // the others have scales of their own
    add(ChartKind::spread, spread_);
    add(ChartKind::histogram, histogram_);
    add(ChartKind::combined_histogram, combined_);
  }

 private:
  fs::path spread_, histogram_, combined_;
  bool plot_ = false, kld_ = false, vram_ = false;
};

void add_assume(Parser& parser, std::string& target) {
  parser.choice("--assume", target, {"llama"});
}

/// Options of every command that runs models, and their text forms.
class RunParser {
 public:
  /// `keeps`: whether the command keeps results and references.
  RunParser(Parser& parser, RunOptions& run, bool keeps = true) : run_(run) {
    run_.data_dir = environment("ASSAY_DATA");
    run_.cache_dir = default_cache_dir();
    parser.choice("--precision", precision_, {"f32", "bf16"});
    parser.choice("--activations", activations_, {"as-deployed", "none", "llama.cpp"});
    parser.choice("--kv-cache", kv_cache_, {"as-deployed", "none"});
    add_assume(parser, run_.assume);
    CLI::App& app = parser.app();
    app.add_option("--device", run_.device);
    app.add_option("--threads", run_.threads)->check(CLI::Range(1, 1024));
    app.add_option("--memory", run_.memory_bytes)->transform(CLI::AsSizeValue(true));
    app.add_option("--data-dir", run_.data_dir)->check(CLI::ExistingDirectory);
    if (!keeps) return;
    app.add_flag("--jensen-shannon", run_.jensen_shannon);
    app.add_option("--cache-dir", run_.cache_dir);
    app.add_flag("--no-cache", no_cache_);
    app.add_option("--reference-cache", run_.reference_bytes)->transform(CLI::AsSizeValue(true));
  }

  void finish() {
    run_.precision = precision_ == "bf16" ? Precision::bf16 : Precision::f32;
    run_.as_deployed = activations_ != "none";
    run_.llama_cpp = activations_ == "llama.cpp";
    run_.kv_cache = kv_cache_ == "as-deployed";
    run_.use_cache = !no_cache_ && !run_.cache_dir.empty();
  }

 private:
  RunOptions& run_;
  std::string precision_ = "f32", activations_ = "as-deployed", kv_cache_ = "as-deployed";
  bool no_cache_ = false;
};

Request parse_compare(Arguments arguments) {
  use_long_names(arguments);
  CompareRequest request;
  Parser parser("compare");
  RunParser run(parser, request.run);
  ReportParser report(parser, request.run.out);
  CLI::App& app = parser.app();
  app.add_option("-d,--dataspec", request.data_spec)->required();
  app.add_option("-m,--modelspec", request.model_specs)->required();
  app.add_option("--mask", request.mask);
  app.add_flag("--clear_cache", request.clear_cache);
  app.add_option("--logits_file", request.logits)->check(CLI::ExistingPath);
  app.add_flag("--noise-floor", request.noise_floor);
  app.add_option("--text", request.text)->check(CLI::ExistingFile);
  std::string protocol;
  CLI::Option* preset = parser.choice("--protocol", protocol, {"llama.cpp"});
  app.add_option("--length", request.llama_cpp_length)->check(CLI::Range(int64_t{4}, int64_t{1} << 24))->needs(preset);
  parser.parse(std::move(arguments));
  run.finish();
  if (preset->count() > 0 && request.llama_cpp_length == 0) request.llama_cpp_length = kLlamaCppLength;
  report.finish();
  request.kld = report.kld();
  return request;
}

Request parse_merge(Arguments arguments) {
  use_long_names(arguments);
  MergeRequest request;
  Parser parser("merge");
  ReportParser output(parser, request.out);
  CLI::App& app = parser.app();
  app.add_option("RESULT", request.results)->required();
  app.add_option("--mask", request.mask);
  parser.parse(std::move(arguments));
  output.finish();
  return request;
}

/// The text that one model's commands read.
class TextParser {
 public:
  TextParser(Parser& parser, PplRequest& request) : request_(request) {
    CLI::App& app = parser.app();
    CLI::Option* data = app.add_option("--data", request.data);
    CLI::Option* tokenizer = app.add_option("--tokenizer", request.tokenizer)->check(CLI::ExistingPath);
    length_ = app.add_option("--length", request.length)->check(CLI::Range(int64_t{2}, int64_t{1} << 24));
    stride_ = app.add_option("--stride", request.stride)->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
    CLI::Option* text = app.add_option("--text", request.text)->check(CLI::ExistingFile);
    rows_ = app.add_option("--rows", request.rows)->check(CLI::Range(int64_t{0}, int64_t{1} << 31));
    tokens_ = app.add_option("--tokens", request.tokens)->check(CLI::ExistingFile);
    for (CLI::Option* other : {data, text, tokenizer, length_, stride_}) tokens_->excludes(other);
  }

  void add_protocol(Parser& parser) {
    protocol_ = parser.choice("--protocol", protocol_name_, {"llama.cpp"})->excludes(stride_)->excludes(tokens_);
  }

  void finish() {
    request_.llama_cpp = protocol_ && protocol_->count() > 0;
    if ((tokens_->count() > 0 || request_.llama_cpp) && rows_->count() == 0) request_.rows = 0;
    if (request_.llama_cpp && length_->count() == 0) request_.length = kLlamaCppLength;
  }

 private:
  PplRequest& request_;
  CLI::Option *length_, *stride_, *rows_, *tokens_, *protocol_ = nullptr;
  std::string protocol_name_;
};

Request parse_ppl(Arguments arguments) {
  use_long_names(arguments);
  PplRequest request;
  Parser parser("ppl");
  RunParser run(parser, request.run);
  ReportParser report(parser, request.run.out);
  CLI::App& app = parser.app();
  app.add_option("MODEL", request.model)->required();
  app.add_option("--reference", request.reference)->check(CLI::ExistingPath);
  app.add_flag("--noise-floor", request.noise_floor)->needs("--reference");
  TextParser text(parser, request);
  text.add_protocol(parser);
  parser.parse(std::move(arguments));
  run.finish();
  report.finish();
  text.finish();
  return request;
}

Request parse_layers(Arguments arguments) {
  use_long_names(arguments);
  LayersRequest request;
  request.ppl.rows = 4;
  request.ppl.length = request.ppl.stride = 512;
  Parser parser("layers");
  RunParser run(parser, request.ppl.run, false);
  OutputParser output(parser, request.ppl.run.out, {"table", "json", "csv"});
  CLI::App& app = parser.app();
  app.add_option("REFERENCE", request.ppl.reference)->required();
  app.add_option("MODEL", request.ppl.model)->required();
  TextParser text(parser, request.ppl);
  parser.parse(std::move(arguments));
  run.finish();
  output.finish();
  text.finish();
  return request;
}

Request parse_run(Arguments arguments) {
  for (std::string& argument : arguments)
    if (argument == "-d") argument = "--device";  // as in qbench
  use_long_names(arguments);
  RunRequest request;
  Parser parser("run");
  RunParser run(parser, request.run);
  ReportParser report(parser, request.run.out);
  CLI::App& app = parser.app();
  app.add_option("PROJECT", request.project)->required();
  app.add_flag("--clear_cache", request.clear_cache);
  parser.parse(std::move(arguments));
  run.finish();
  report.finish();
  request.own_cache_dir = app.count("--cache-dir") > 0;
  request.own_reference_bytes = app.count("--reference-cache") > 0;
  return request;
}

Request parse_inspect(Arguments arguments) {
  InspectRequest request;
  Parser parser("inspect");
  CLI::App& app = parser.app();
  app.add_option("MODEL", request.models)->required();
  app.add_flag("--layers", request.layers);
  add_assume(parser, request.assume);
  app.add_flag("--sha256", request.sha256);
  app.add_flag("--json", request.json);
  app.add_option("--threads", request.threads)->check(CLI::Range(1, 1024));
  parser.parse(std::move(arguments));
  return request;
}

Request parse_export(Arguments arguments) {
  ExportRequest request;
  Parser parser("export");
  std::string dtype = "bf16";
  CLI::App& app = parser.app();
  app.add_option("MODEL", request.model)->required();
  app.add_option("--to", request.to)->required();
  parser.choice("--dtype", dtype, {"bf16", "f16", "f32"});
  app.add_option("--max-shard-size", request.shard_bytes)->transform(CLI::AsSizeValue(true));
  app.add_option("--threads", request.threads)->check(CLI::Range(1, 1024));
  app.add_flag("--force", request.force);
  add_assume(parser, request.assume);
  parser.parse(std::move(arguments));
  request.dtype = dtype == "f32" ? DType::F32 : dtype == "f16" ? DType::F16 : DType::BF16;
  return request;
}

Request parse_formats(Arguments arguments) {
  FormatsRequest request;
  Parser parser("formats");
  CLI::Option* json = parser.app().add_flag("--json", request.json);
  CLI::Option* markdown = parser.app().add_flag("--markdown", request.markdown)->excludes(json);
  parser.app().add_option("NAME", request.names)->excludes(markdown);
  parser.parse(std::move(arguments));
  return request;
}

Request parse_architectures(Arguments arguments) {
  ArchitecturesRequest request;
  Parser parser("architectures");
  parser.app().add_flag("--json", request.json);
  parser.parse(std::move(arguments));
  return request;
}

bool asks_for(const Arguments& arguments, std::initializer_list<const char*> names) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return std::find(names.begin(), names.end(), argument) != names.end();
  });
}

}  // namespace

Request parse_command_line(const Arguments& arguments) {
  if (arguments.empty()) fail("no command given; one of: {} (see assay --help)", fmt::join(commands(), ", "));
  const std::string& command = arguments.front();
  Arguments rest(arguments.begin() + 1, arguments.end());
  if (command == "--version") return TextRequest{version_text()};
  if (command == "-h" || command == "--help") return TextRequest{help_text("")};
  if (command == "help" && rest.empty()) return TextRequest{help_text("")};
  const bool known = std::find(commands().begin(), commands().end(), command) != commands().end();
  if (!known) {
    const auto meant = nearest(command, commands());
    fail("unknown command \"{}\"{} (see assay --help)", command,
         meant ? fmt::format("; did you mean \"{}\"?", *meant) : "");
  }
  if (asks_for(rest, {"-h", "--help"})) return TextRequest{help_text(command)};
  if (command == "compare") return parse_compare(std::move(rest));
  if (command == "ppl") return parse_ppl(std::move(rest));
  if (command == "layers") return parse_layers(std::move(rest));
  if (command == "run") return parse_run(std::move(rest));
  if (command == "merge") return parse_merge(std::move(rest));
  if (command == "inspect") return parse_inspect(std::move(rest));
  if (command == "export") return parse_export(std::move(rest));
  if (command == "formats") return parse_formats(std::move(rest));
  return parse_architectures(std::move(rest));
}

}  // namespace assay
