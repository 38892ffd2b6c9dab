#include "report/table.h"

#include <algorithm>

#include "report/sample.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

TEST(ResultsTable, ShowsModelsOverridesAndFailures) {
  EXPECT_EQ(results_table(test::sample_result(), 100),
            "                              decoder    head    file    VRAM\n"
            "label             format          bpw     bpw     bpw     GiB          PPL ± SE  place    time\n"
            "────────────────  ──────────  ───────  ──────  ──────  ──────  ────────────────  ─────  ──────\n"
            "HF BF16           dense/bf16   16.000  16.000  16.016   0.005  46.8289 ± 2.9268     =1  12.2 s\n"
            "NVFP4 dequantisé  dense/bf16   4.500*  16.000  16.016  4.500*           46.8289     =1  cached\n"
            "broken, \"quoted\"  -                 -       -       -       -            failed      -       -\n"
            "wikitext2, 2 × 256 tokens, stride 256; ± one standard error, clustered by rows (only 2: rough)\n"
            "f32 arithmetic; activations as-deployed, KV cache as-deployed\n"
            "=1: HF BF16, NVFP4 dequantisé are indistinguishable in perplexity (paired 95% interval covers zero)\n"
            "* from the model spec, not measured\n"
            "broken, \"quoted\" failed: models/none: no such folder\n");
}

TEST(ResultsTable, DropsFamiliesOfFormatsBeforeItCutsNames) {
  Result result = test::sample_result();
  result.models.resize(1);
  result.models[0].storage->format = "compressed-tensors/nvfp4-pack-quantized+dense/bf16";
  EXPECT_NE(results_table(result, 200).find("compressed-tensors/nvfp4-pack-quantized+dense/bf16 "), std::string::npos);
  const std::string narrow = results_table(result, 100);
  EXPECT_NE(narrow.find("HF BF16  nvfp4-pack-quantized+bf16 "), std::string::npos) << narrow;
}

TEST(ResultsMarkdown, EscapesWhatWouldEndACell) {
  Result result = test::sample_result();
  result.models[0].label = "a|b";
  const std::string text = results_markdown(result);
  EXPECT_NE(text.find("| label | format | decoder bpw | head bpw | file bpw | VRAM GiB | PPL ± SE | place | time |\n"
                      "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
                      "| a\\|b | dense/bf16 | 16.000 |"),
            std::string::npos)
      << text;
}

TEST(ResultsTable, ShowsKldPlacesAndTheNoiseFloor) {
  Result result = test::sample_kld_result();
  result.models[1].measured->comparison = result.models[3].measured->comparison;
  const std::string table = results_table(result, 140);
  test::expect_contains(table, "46.8289 ± 2.9268            reference        -        -      -");
  test::expect_contains(table, "46.8289  0.00049 ± 7.2e-06 ≈  0.00201    90.78      1");
  test::expect_contains(table, "51.7540 ± 2.9268    0.48863 ± 0.00723  2.00717    90.78      2");
  test::expect_contains(table, "KLD: KL(HF BF16 || model), mean over all scored tokens, nats\n");
  test::expect_contains(table, "noise floor: KLD 0.00049\n≈ at the floor");
}

TEST(ResultsTable, GivesUpColumnsBeforeItCutsNumbers) {
  const std::string table = results_table(test::sample_kld_result(), 80);
  test::expect_contains(table, "PPL ± SE");
  test::expect_contains(table, "KLD ± SE");
  EXPECT_EQ(table.find("file"), std::string::npos) << table;
}

TEST(ResultsTable, LetsNoLabelMoveTheCursor) {
  Result result = test::sample_result();
  result.models[0].label = "a\x1b[2Jb";
  EXPECT_EQ(results_table(result, 100).find('\x1b'), std::string::npos);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(text.substr(begin, end - begin));
  return lines;
}

TEST(ResultsCsv, KeepsEveryDigitAndLeavesAbsentNumbersEmpty) {
  const std::vector<std::string> lines = lines_of(results_csv(test::sample_result()));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(lines[0].starts_with(
      "label,model_dir,status,format,precision,activations,decoder_bpw,head_bpw,file_bpw,vram_gib,mean_nll,"
      "nll_se,ppl,ppl_se,seconds,error,role,place_ppl,kld_reference,kld,kld_se,kld_p10,"))
      << lines[0];
  EXPECT_TRUE(lines[1].starts_with(
      "HF BF16,models/base,ok,dense/bf16,f32,as-deployed,16,16,16.015625,0.0048828125,3.8465015696801252,0.0625,"
      "46.82894851368215,2.9268092821051344,12.25,,model,1,,"))
      << lines[1];
  EXPECT_TRUE(
      lines[2].starts_with("NVFP4 dequantisé,models/base,ok,dense/bf16,f32,as-deployed,16,16,16.015625,0.0048828125,"
                           "3.8465015696801252,,46.82894851368215,,12.25,,model,1,,"))
      << lines[2];
  EXPECT_TRUE(lines[3].starts_with(
      "\"broken, \"\"quoted\"\"\",models/none,failed,,f32,as-deployed,,,,,,,,,,models/none: no such folder,model,,,"))
      << lines[3];
}

TEST(ResultsCsv, HasTheSameNumberOfFieldsInEveryLine) {
  Result result = test::sample_kld_result();
  result.models.back().label = "broken";
  for (const std::string& line : lines_of(results_csv(result)))
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 38 - 1) << line;
}

TEST(InspectTable, ShowsPartsFormatsRolesAndCompareQ) {
  const Result result = test::sample_result();
  InspectRecord record;
  record.model_dir = "models/base";
  record.architecture = "llama";
  record.storage = result.models[0].storage;
  record.storage->mismatches = {"config says 4 bits, tensors hold 8"};
  EXPECT_EQ(inspect_table(record, true, 100),
            "models/base\n"
            "  architecture  llama\n"
            "  declared      no quantization\n"
            "  found         dense/bf16\n"
            "  activations   none\n"
            "  mismatch      config says 4 bits, tensors hold 8\n"
            "\n"
            "part                   bits  weights      bpw\n"
            "─────────────────  ────────  ───────  ───────\n"
            "decoder            37748736  2359296  16.0000\n"
            "head                4194304   262144  16.0000\n"
            "embedding           4194304   262144  16.0000\n"
            "other                 28672        -        -\n"
            "format dense/bf16  41943040  2621440  16.0000\n"
            "role weights       41943040        -        -\n"
            "layer 0            37748736  2359296  16.0000\n"
            "\n"
            "files 0.005 GiB; decoder and head 0.005 GiB\n"
            "compare_q would print: 16.0000 bpw (decoder), 16.0000 bpw (head), 0.005 GiB\n");
  EXPECT_EQ(inspect_table(record, false, 100).find("layer 0"), std::string::npos);
}

TEST(InspectTable, SaysWhyThereIsNothing) {
  InspectRecord record;
  record.model_dir = "x";
  record.error = "x: no such folder";
  EXPECT_EQ(inspect_table(record, false, 100), "x\n  failed: x: no such folder\n");
}

}  // namespace
}  // namespace assay
