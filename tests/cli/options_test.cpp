#include "cli/options.h"

#include <cstdlib>

#include "base/error.h"
#include "cli/help.h"
#include "support/support.h"

namespace assay {
namespace {

template <class T>
T parse(std::vector<std::string> arguments) {
  return std::get<T>(parse_command_line(arguments));
}

std::string refusal(std::vector<std::string> arguments) {
  try {
    parse_command_line(arguments);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

void expect_mentions(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Options, CompareTakesTheOptionsOfCompareQ) {
  const auto r =
      parse<CompareRequest>({"compare", "-m", "a.json", "b*.json", "-d", "data.json", "-mask", "awq;exl", "-cc"});
  EXPECT_EQ(r.data_spec, "data.json");
  EXPECT_EQ(r.model_specs, (std::vector<std::string>{"a.json", "b*.json"}));
  EXPECT_EQ(r.mask, "awq;exl");
  EXPECT_TRUE(r.clear_cache);
  const auto long_names = parse<CompareRequest>(
      {"compare", "--dataspec", "data.json", "--modelspec", "a.json", "--mask=awq", "--clear_cache"});
  EXPECT_EQ(long_names.mask, "awq");
  EXPECT_TRUE(long_names.clear_cache);
}

TEST(Options, LayersTakesNothingThatItWouldIgnore) {
  for (const std::string option : {"--jensen-shannon", "--no-cache", "--cache-dir=x", "--reference-cache=1"})
    expect_mentions(refusal({"layers", "a", "b", option}), "unknown option");
}

TEST(Options, CompareNeedsBothSpecs) {
  expect_mentions(refusal({"compare", "-m", "m.json"}), "--dataspec");
  expect_mentions(refusal({"compare", "-d", "d.json"}), "--modelspec");
}

TEST(Options, ChartsAreCompareQs) {
  const auto r = parse<CompareRequest>({"compare", "-d", "d", "-m", "m", "-p", "-pf", "c.svg", "-v", "-mx", "8", "-my",
                                        "12.5", "-t", "Very plot", "-dark", "-kld"});
  ASSERT_EQ(r.run.out.charts.size(), 1U);
  const ChartFile& chart = r.run.out.charts[0];
  EXPECT_EQ(chart.kind, ChartKind::scatter);
  EXPECT_EQ(chart.file, "c.svg");
  EXPECT_EQ(chart.options.x, ChartX::vram);
  EXPECT_EQ(chart.options.y, ChartY::kld);
  EXPECT_EQ(chart.options.max_x, 8);
  EXPECT_EQ(chart.options.max_y, 12.5);
  EXPECT_EQ(chart.options.title, "Very plot");
  EXPECT_TRUE(chart.dark);
  EXPECT_FALSE(chart.options.log_y);
  EXPECT_TRUE(r.kld);
}

TEST(Options, AChartWithoutAFileGetsOne) {
  EXPECT_EQ(parse<CompareRequest>({"compare", "-d", "d", "-m", "m", "--plot"}).run.out.charts[0].file,
            "assay-chart.png");
  EXPECT_TRUE(parse<CompareRequest>({"compare", "-d", "d", "-m", "m", "-v"}).run.out.charts.empty());
  EXPECT_EQ(parse<CompareRequest>({"compare", "-d", "d", "-m", "m", "--plot_file=x.png"}).run.out.charts[0].file,
            "x.png");
}

TEST(Options, MergeTakesReportsAndCharts) {
  const auto r = parse<MergeRequest>({"merge", "a.json", "b.json", "-o", "c.json", "--html", "c.html", "-mask", "awq",
                                      "--plot_spread", "s.svg", "--plot_hist", "h.png", "--plot_hist_combined",
                                      "hc.pdf", "--format", "csv"});
  EXPECT_EQ(r.results.size(), 2U);
  EXPECT_EQ(r.out.output, "c.json");
  EXPECT_EQ(r.out.html, "c.html");
  EXPECT_EQ(r.mask, "awq");
  EXPECT_EQ(r.out.charts.size(), 3U);
  EXPECT_TRUE(r.out.machine_readable());
  expect_mentions(refusal({"merge"}), "RESULT");
  expect_mentions(refusal({"merge", "a", "--json", "--format", "csv"}), "--format");
  expect_mentions(refusal({"merge", "a", "--format", "yaml"}), "markdown");
}

TEST(Options, DefaultsAreTheDocumentedOnes) {
  const auto r = parse<PplRequest>({"ppl", "model"});
  EXPECT_EQ(r.model, "model");
  EXPECT_EQ(r.data, "wiki2");
  EXPECT_EQ(r.length, 2048);
  EXPECT_EQ(r.stride, 512);
  EXPECT_EQ(r.rows, 20);
  EXPECT_EQ(r.run.precision, Precision::f32);
  EXPECT_TRUE(r.run.as_deployed);
  EXPECT_TRUE(r.run.kv_cache);
  EXPECT_EQ(r.run.memory_bytes, uint64_t{8} << 30);
  EXPECT_EQ(r.run.out.format, "table");
  EXPECT_TRUE(r.run.out.charts.empty());
}

TEST(Options, TheLlamaCppProtocolHasItsOwnDefaults) {
  const auto r = parse<PplRequest>({"ppl", "model", "--protocol", "llama.cpp"});
  EXPECT_TRUE(r.llama_cpp);
  EXPECT_EQ(r.length, 512);
  EXPECT_EQ(r.rows, 0);
  const auto longer = parse<PplRequest>({"ppl", "model", "--protocol", "llama.cpp", "--length", "2048", "--rows", "9"});
  EXPECT_EQ(longer.length, 2048);
  EXPECT_EQ(longer.rows, 9);
  expect_mentions(refusal({"ppl", "model", "--protocol", "llama.cpp", "--stride", "256"}), "--stride");
  expect_mentions(refusal({"ppl", "model", "--protocol", "exllama"}), "--protocol");
  EXPECT_EQ(parse<CompareRequest>({"compare", "-d", "d", "-m", "m"}).llama_cpp_length, 0);
  EXPECT_EQ(parse<CompareRequest>({"compare", "-d", "d", "-m", "m", "--protocol", "llama.cpp"}).llama_cpp_length, 512);
  expect_mentions(refusal({"compare", "-d", "d", "-m", "m", "--length", "512"}), "--protocol");
}

TEST(Options, RunOptionsAreParsed) {
  const auto r = parse<PplRequest>({"ppl", "model", "--precision", "bf16", "--activations", "none", "--kv-cache=none",
                                    "--threads", "3", "--memory", "512MiB", "-o", "out.json", "--json"});
  EXPECT_EQ(r.run.precision, Precision::bf16);
  EXPECT_FALSE(r.run.as_deployed);
  EXPECT_FALSE(r.run.kv_cache);
  EXPECT_EQ(r.run.threads, 3);
  EXPECT_EQ(r.run.memory_bytes, uint64_t{512} << 20);
  EXPECT_EQ(r.run.out.output, "out.json");
  EXPECT_EQ(r.run.out.format, "json");
  EXPECT_FALSE(parse<PplRequest>({"ppl", "model", "--no-cache"}).run.use_cache);
}

TEST(Options, FoldersComeFromTheEnvironment) {
  const test::TempDir dir;
  setenv("ASSAY_DATA", dir.path().c_str(), 1);
  setenv("XDG_CACHE_HOME", "/somewhere", 1);
  const auto r = parse<PplRequest>({"ppl", "model"});
  EXPECT_EQ(r.run.data_dir, dir.path());
  EXPECT_EQ(r.run.cache_dir, "/somewhere/assay");
  EXPECT_EQ(parse<PplRequest>({"ppl", "model", "--cache-dir", "x"}).run.cache_dir, "x");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(parse<PplRequest>({"ppl", "model"}).run.cache_dir, "/home/someone/.cache/assay");
  unsetenv("ASSAY_DATA");
}

TEST(Options, BadValuesAndUnknownNamesAreRefusedWithAHint) {
  expect_mentions(refusal({"ppl", "model", "--precision", "fp16"}), "--precision");
  expect_mentions(refusal({"ppl", "model", "--threads", "0"}), "--threads");
  expect_mentions(refusal({"ppl", "model", "--threads", "x"}), "--threads");
  expect_mentions(refusal({"ppl", "model", "--memory", "much"}), "--memory");
  expect_mentions(refusal({"ppl", "model", "--length", "1"}), "--length");
  expect_mentions(refusal({"ppl", "model", "--rows", "-1"}), "--rows");
  expect_mentions(refusal({"ppl"}), "MODEL");
  expect_mentions(refusal({"ppl", "a", "b"}), "unexpected argument \"b\"");
  expect_mentions(refusal({"ppl", "a", ""}), "unexpected argument \"\"");
  expect_mentions(refusal({"ppl", "model", "--presicion", "f32"}), "did you mean --precision?");
  expect_mentions(refusal({"ppl", "model", "--prec", "f32"}), "unknown option \"--prec\"");
  expect_mentions(refusal({"comapre"}), "did you mean \"compare\"?");
  expect_mentions(refusal({"xyzzy"}), "unknown command \"xyzzy\"");
  expect_mentions(refusal({}), "assay --help");
}

TEST(Options, TokensExcludeWhatMakesTokens) {
  const test::TempDir dir;
  test::write_text(dir / "rows.json", "[]");
  const std::string rows = (dir / "rows.json").string();
  EXPECT_EQ(parse<PplRequest>({"ppl", "model", "--tokens", rows}).tokens, rows);
  expect_mentions(refusal({"ppl", "model", "--tokens", rows, "--length", "8"}), "--length");
}

TEST(Options, HelpIsTextForEveryCommand) {
  expect_mentions(parse<TextRequest>({"--help"}).text, "Usage: assay COMMAND");
  for (const std::string& command : commands())
    expect_mentions(parse<TextRequest>({command, "--help"}).text, "Usage: assay " + command);
  expect_mentions(parse<TextRequest>({"--version"}).text, "assay 0.");
  expect_mentions(parse<TextRequest>({"compare", "-d", "x", "-h"}).text, "--dataspec");
}

TEST(Options, HelpFitsOneHundredColumns) {
  for (const std::string command : {"", "compare", "ppl", "inspect", "export", "formats", "architectures"}) {
    std::istringstream page(help_text(command));
    for (std::string line; std::getline(page, line);) EXPECT_LE(line.size(), 100u) << command << ": " << line;
  }
}

}  // namespace
}  // namespace assay
