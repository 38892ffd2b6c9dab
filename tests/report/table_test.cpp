#include "report/table.h"

#include "report/sample.h"
#include "support/support.h"

namespace assay {
namespace {

TEST(ResultsTable, ShowsModelsOverridesAndFailures) {
  EXPECT_EQ(results_table(test::sample_result(), 100),
            "                              decoder    head    file    VRAM\n"
            "label             format          bpw     bpw     bpw     GiB          PPL ± SE    time\n"
            "────────────────  ──────────  ───────  ──────  ──────  ──────  ────────────────  ──────\n"
            "HF BF16           dense/bf16   16.000  16.000  16.016   0.005  46.8289 ± 2.9268  12.2 s\n"
            "NVFP4 dequantisé  dense/bf16   4.500*  16.000  16.016  4.500*           46.8289  cached\n"
            "broken, \"quoted\"  -                 -       -       -       -            failed       -\n"
            "wikitext2, 2 × 256 tokens, stride 256; ± one standard error, clustered by rows\n"
            "f32 arithmetic; activations as-deployed, KV cache as-deployed\n"
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
  EXPECT_NE(text.find("| label | format | decoder bpw | head bpw | file bpw | VRAM GiB | PPL ± SE | time |\n"
                      "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
                      "| a\\|b | dense/bf16 | 16.000 |"),
            std::string::npos)
      << text;
}

TEST(ResultsCsv, KeepsEveryDigitAndLeavesAbsentNumbersEmpty) {
  EXPECT_EQ(results_csv(test::sample_result()),
            "label,model_dir,status,format,precision,activations,decoder_bpw,head_bpw,file_bpw,vram_gib,mean_nll,"
            "nll_se,ppl,ppl_se,seconds,error\n"
            "HF BF16,models/base,ok,dense/bf16,f32,as-deployed,16,16,16.015625,0.0048828125,3.8465015696801252,0.0625,"
            "46.82894851368215,2.9268092821051344,12.25,\n"
            "NVFP4 dequantisé,models/base,ok,dense/bf16,f32,as-deployed,16,16,16.015625,0.0048828125,"
            "3.8465015696801252,,46.82894851368215,,12.25,\n"
            "\"broken, \"\"quoted\"\"\",models/none,failed,,f32,as-deployed,,,,,,,,,,models/none: no such folder\n");
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
