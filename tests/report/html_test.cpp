#include "report/html/html.h"

#include <regex>

#include "report/chart_cases.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

TEST(ResultsHtml, HoldsEverySection) {
  const std::string page = results_html(test::sample_kld_result());
  for (const char* id : {"results", "charts", "pairs", "divergence", "text", "bits", "protocol"})
    test::expect_contains(page, fmt::format("<section id=\"{}\">", id));
  for (const char* part : {"KL(reference || model)", "stride", "BOS", "dd54", "526813", "f32", "as-deployed", "f00d",
                           "1024 logits", "0.1.0", "46.8289 ± 2.9268"})
    test::expect_contains(page, part);
}

TEST(ResultsHtml, NeedsNoNetwork) {
  const std::string page = results_html(test::sample_kld_result());
  for (const char* part : {"http://", "https://", "src=", "@import", "url("})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  test::expect_contains(page, "default-src 'none'");
}

TEST(ResultsHtml, EscapesNamesAndTexts) {
  Result result = test::sample_kld_result();
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&";
  for (ModelResult& model : result.models) {
    model.label += evil;
    model.model_dir = model.architecture = model.precision = model.error.empty() ? evil : model.error = evil;
    model.notes = {evil};
    if (model.storage) {
      model.storage->format = model.storage->activations = evil;
      model.storage->roles = {{evil, 7}};
    }
    if (!model.has_comparison()) continue;
    Comparison& c = *model.measured->comparison;
    c.reference = c.reference_content = evil;
    for (TokenContext& w : c.worst) w = {evil, evil, evil};
    for (ViewToken& t : c.view) t = {0, 0, evil, 1, {{evil, 1}}, {{evil, 1}}};
  }
  result.version = result.device = evil;
  DataRecord& d = result.data;
  d.dataset = d.protocol = d.tokens_sha256 = d.text_sha256 = d.clusters = d.subtitle = evil;
  d.notes = {evil};
  const std::string page = results_html(result);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  // The page's own: the data of the text view, and its program.
  const std::regex script("<script"), end("</script");
  EXPECT_EQ(std::distance(std::sregex_iterator(page.begin(), page.end(), script), {}), 2);
  EXPECT_EQ(std::distance(std::sregex_iterator(page.begin(), page.end(), end), {}), 2);
}

TEST(ResultsHtml, IsThereBeforeTheFirstModel) {
  Result result = test::sample_result();
  result.models.clear();
  result.complete = false;
  const std::string page = results_html(result);
  test::expect_contains(page, "not complete");
  test::expect_contains(page, "<section id=\"protocol\">");
}

TEST(ResultsHtml, SaysWhatIsIndistinguishable) {
  test::expect_contains(results_html(test::sample_result()), "indistinguishable");
}

TEST(ResultsHtml, LeavesOutAMatrixOfTooManyModels) {
  const std::string page = results_html(test::chart_result(80));
  test::expect_contains(page, "81 models are too many");
}

}  // namespace
}  // namespace assay
