#include "report/chart/charts.h"

#include <algorithm>
#include <functional>
#include <set>

#include "report/chart/families.h"
#include "report/chart/labels.h"
#include "report/chart/measures.h"
#include "report/chart/render.h"
#include "report/chart_cases.h"
#include "support/errors.h"
#include "support/support.h"

namespace assay {
namespace {

using test::chart_model;
using test::chart_result;

std::vector<std::string> texts_of(const Drawing& drawing) {
  std::vector<std::string> out;
  for (const Shape& shape : drawing.shapes())
    if (shape.kind == Shape::Kind::text) out.push_back(shape.text);
  return out;
}

bool has_text(const Drawing& drawing, const std::string& text) {
  const std::vector<std::string> all = texts_of(drawing);
  return std::find(all.begin(), all.end(), text) != all.end();
}

void expect_clear(const Drawing& drawing) {
  const Box canvas{0, 0, drawing.width(), drawing.height()};
  for (size_t i = 0; i < drawing.labels.size(); ++i) {
    const Box& label = drawing.labels[i];
    EXPECT_TRUE(canvas.contains(label)) << i;
    for (size_t j = i + 1; j < drawing.labels.size(); ++j)
      EXPECT_FALSE(label.overlaps(drawing.labels[j])) << i << " and " << j;
    for (size_t j = 0; j < drawing.markers.size(); ++j)
      EXPECT_FALSE(label.overlaps(drawing.markers[j])) << i << " covers point " << j;
  }
}

/// Every text lies on the canvas.
void expect_inside(const Drawing& drawing) {
  for (const Shape& shape : drawing.shapes()) {
    if (shape.kind != Shape::Kind::text || shape.style.upwards) continue;
    const double width = text_width(shape.text, shape.style);
    const double before = shape.style.anchor == Anchor::start ? 0
                          : shape.style.anchor == Anchor::end ? width
                                                              : width / 2;
    EXPECT_GE(shape.points[0].x - before, -0.5) << shape.text;
    EXPECT_LE(shape.points[0].x - before + width, drawing.width() + 0.5) << shape.text;
    EXPECT_LE(shape.points[0].y, drawing.height()) << shape.text;
  }
}

struct Case {
  const char* name;
  std::function<Result()> result;
};

Result long_names() {
  Result result = chart_result(0);
  for (int i = 0; i < 5; ++i)
    result.models.push_back(
        chart_model(fmt::format("{}Meta-Llama-3.1-8B-Instruct-GPTQ-w4a16-g128-desc_act-calibrated-on-c4-{}",
                                std::string(30 * i, 'x'), i),
                    4 + 0.1 * i, 2.3 - 0.02 * i, 0.1 - 0.01 * i));
  return result;
}

Result equal_points() {
  Result result = chart_result(6);
  for (int i = 0; i < 7; ++i) result.models.push_back(chart_model(fmt::format("E{} same", i), 4, 2.25, 0.02));
  return result;
}

Result many_equal_points() {
  Result result = chart_result(0);
  for (int i = 0; i < 40; ++i) result.models.push_back(chart_model(fmt::format("E{} same", i), 4, 2.25, 0.02));
  return result;
}

const Case kCases[] = {{"one", [] { return chart_result(1); }},
                       {"three", [] { return chart_result(3); }},
                       {"forty", [] { return chart_result(40); }},
                       {"long names", long_names},
                       {"equal points", equal_points},
                       {"many equal points", many_equal_points},
                       {"two hundred", [] { return chart_result(200); }}};

TEST(Charts, LabelsOverlapNeitherEachOtherNorPoints) {
  for (const Case& c : kCases)
    for (const double width : {1200.0, 400.0})
      for (const auto chart : {scatter_chart, spread_chart})
        for (const ChartY y : {ChartY::ppl, ChartY::kld}) {
          SCOPED_TRACE(fmt::format("{}, {} pixels, {}", c.name, width, y == ChartY::ppl ? "ppl" : "kld"));
          ChartOptions options;
          options.width = width;
          options.y = y;
          options.log_y = y == ChartY::kld;
          const auto drawing = chart(c.result(), options);
          ASSERT_TRUE(drawing);
          expect_clear(*drawing);
          expect_inside(*drawing);
        }
}

TEST(Charts, LabelsAreLargeEnoughToReadAtTheirWidth) {
  for (const double width : {1200.0, 400.0}) {
    ChartOptions options;
    options.width = width;
    const Drawing drawing = *scatter_chart(chart_result(40), options);
    for (const Shape& shape : drawing.shapes()) {
      if (shape.kind != Shape::Kind::text) continue;
      EXPECT_GE(shape.style.size, 10) << shape.text;
    }
  }
}

TEST(Charts, EveryModelIsNamedOnceAtItsPointOrInTheKey) {
  for (const int count : {3, 40, 200})
    for (const double width : {1200.0, 400.0}) {
      ChartOptions options;
      options.width = width;
      const Drawing drawing = *scatter_chart(chart_result(count), options);
      for (int i = 0; i < count; ++i) {
        const std::string name = fmt::format("model {}", i), full = fmt::format("F{} {}", i % 11, name);
        const auto all = texts_of(drawing);
        EXPECT_EQ(std::count(all.begin(), all.end(), name) + std::count(all.begin(), all.end(), full), 1) << name;
      }
    }
}

TEST(ScatterChart, ShowsCompareQsTexts) {
  Result result = chart_result(0);
  result.models.push_back(chart_model("AWQ 4bit [gemm]", 4.25, std::log(6.5), 0.02));
  result.models.push_back(chart_model("GGUF", 4.5, std::log(6.25), 0.02));
  result.data.subtitle = "wikitext2, 20 × 2048 tokens";
  const Drawing drawing = *scatter_chart(result, {});
  for (const char* text : {"4bit", "6.500", "GGUF", "6.250", "AWQ", "wikitext2, 20 × 2048 tokens", "Perplexity",
                           "Bits per weight (excl. embeddings and output head)"})
    EXPECT_TRUE(has_text(drawing, text)) << text;
}

TEST(ScatterChart, LeavesOutWhatIsBeyondTheLimits) {
  ChartOptions options;
  options.max_x = 4;
  EXPECT_EQ(scatter_chart(chart_result(12), options)->markers.size(), 5U);  // 2, 2.5, ... 4
  options.max_x = 1;
  EXPECT_FALSE(scatter_chart(chart_result(12), options));
  options.max_x = 999999;
  options.max_y = 1;
  EXPECT_FALSE(scatter_chart(chart_result(12), options));
}

TEST(ScatterChart, DrawsNothingWithoutAnythingToDraw) {
  Result result = chart_result(2);
  for (ModelResult& model : result.models) model.measured->comparison.reset();
  ChartOptions options;
  options.y = ChartY::kld;
  EXPECT_FALSE(scatter_chart(result, options));
  EXPECT_FALSE(spread_chart(result, options));
  EXPECT_FALSE(histogram_chart(result, options));
  EXPECT_FALSE(combined_histogram_chart(result, options));
  result.models.clear();
  EXPECT_FALSE(scatter_chart(result, {}));
  EXPECT_FALSE(layer_chart(LayerErrors(), {}));
}

TEST(Charts, SurviveNumbersThatNoRunGives) {
  Result result = chart_result(3);
  result.models[1].measured->ppl = 1e308;
  result.models[2].measured->nll_se = 1e300;
  result.models[2].measured->clusters = {};
  result.models[2].measured->nll_df = 1;
  Divergence& d = result.models[3].measured->comparison->divergence;
  d.kld.mean = -1e308;
  for (Quantile& q : d.quantiles) q.value = -q.value;
  for (const ChartY y : {ChartY::ppl, ChartY::kld})
    for (const bool log_y : {true, false}) {
      ChartOptions options;
      options.y = y;
      options.log_y = log_y;
      for (const auto chart : {scatter_chart, spread_chart, histogram_chart, combined_histogram_chart})
        if (const auto drawing = chart(result, options)) expect_inside(*drawing);
    }
}

TEST(ScatterChart, DrawsAReferenceAloneAsAPoint) {
  EXPECT_EQ(scatter_chart(chart_result(0), {})->markers.size(), 1U);
}

TEST(ScatterChart, ShowsAFarReferenceAsALineOnly) {
  const Drawing drawing = *scatter_chart(chart_result(5), {});
  EXPECT_EQ(drawing.markers.size(), 5U);
  EXPECT_TRUE(has_text(drawing, fmt::format("HF FP16  {:.3f}", std::exp(2.2))));
}

TEST(Families, HaveColoursOfTheirOwnHoweverManyThereAre) {
  Result result = chart_result(60);
  for (const char* label : {"AWQ a", "EXL3 b", "GGUF c"}) result.models.push_back(chart_model(label, 4, 2.3, 0.1));
  for (int i = 0; i < 40; ++i) result.models.push_back(chart_model(fmt::format("X{}", i), 4, 2.3, 0.1));
  const auto colors = family_colors(result);
  EXPECT_EQ(colors.at("AWQ"), 0);
  EXPECT_EQ(colors.at("EXL3"), 1);
  EXPECT_EQ(colors.at("GGUF"), 2);
  std::set<std::string> seen;
  for (const auto& [family, color] : colors) seen.insert(hex(rgb(series_color(color), false)));
  EXPECT_EQ(seen.size(), colors.size());
}

TEST(Theme, TextCanBeReadInEveryColour) {
  for (const bool dark : {false, true})
    for (int i = 0; i < 40; ++i)
      EXPECT_GE(contrast(rgb(series_text_color(i), dark), rgb({Ink::axes}, dark)), 4.5) << i << dark;
}

TEST(Families, FollowCompareQsRule) {
  ModelResult model;
  const auto name = [&](const std::string& label, const std::string& group = "") {
    model.label = label;
    model.group = group;
    const ChartName n = chart_name(model);
    return n.family + "|" + n.name;
  };
  EXPECT_EQ(name("AWQ 4bit g128 [note]"), "AWQ|4bit g128");
  EXPECT_EQ(name("GGUF"), "GGUF|GGUF");
  EXPECT_EQ(name("[only a note]"), "[only|a note]");
  EXPECT_EQ(name("4.0bpw", "EXL3"), "EXL3|4.0bpw");
}

TEST(Charts, ErrorBarsOfPerplexityAreThoseOfTheDifferenceFromTheReference) {
  const Result result = chart_result(2);
  const Interval bar = ppl_interval(result, 1, reference_of(result));
  // Both rows differ from the reference's by the same amount: nothing is left to chance.
  const double ppl = result.models[1].measured->ppl;
  EXPECT_NEAR(bar.low, ppl, 1e-9 * ppl);
  EXPECT_NEAR(bar.high, ppl, 1e-9 * ppl);
  EXPECT_TRUE(std::isnan(ppl_interval(result, 0, reference_of(result)).low));
}

TEST(Histograms, DrawLinearAndLogarithmicAxes) {
  const Result result = chart_result(3);
  for (const bool log_x : {true, false})
    for (const bool log_y : {true, false}) {
      ChartOptions options;
      options.log_x = log_x;
      options.log_y = log_y;
      for (const auto chart : {histogram_chart, combined_histogram_chart}) {
        const Drawing drawing = *chart(result, options);
        expect_inside(drawing);
        for (const Shape& shape : drawing.shapes())
          for (const Point& p : shape.points) EXPECT_TRUE(std::isfinite(p.x) && std::isfinite(p.y));
      }
    }
}

TEST(Histograms, ShowOnlyTheModelsThatWereAskedFor) {
  ChartOptions options;
  options.labels = {"F1 model 1"};
  const Drawing drawing = *histogram_chart(chart_result(3), options);
  EXPECT_TRUE(has_text(drawing, "F1 model 1"));
  EXPECT_FALSE(has_text(drawing, "F0 model 0"));
  options.labels = {"none"};
  EXPECT_FALSE(histogram_chart(chart_result(3), options));
}

TEST(Charts, TakeAnotherCaption) {
  ChartOptions options;
  options.caption = "my own words";
  EXPECT_TRUE(has_text(*spread_chart(chart_result(3), options), "my own words"));
  options.caption = "";
  for (const std::string& text : texts_of(*spread_chart(chart_result(3), options)))
    EXPECT_EQ(text.find("Band"), std::string::npos);
  options.caption.reset();
  options.reference = "bf16 reference";
  bool found = false;
  for (const std::string& text : texts_of(*spread_chart(chart_result(3), options)))
    found = found || text.find("reference.") != std::string::npos;
  EXPECT_TRUE(found);
}

TEST(LayerChart, HasAPanelForEachKindOfLinear) {
  LayerErrors errors{.reference = "base", .model = "quantized", .layers = {}, .notes = {}};
  for (int i = 0; i < 80; ++i) {
    LayerErrors::Layer layer;
    layer.own = 0.01;
    layer.cumulative = 0.01 * (i + 1);
    for (const char* name : {"self_attn.q_proj", "mlp.experts.0.up_proj", "mlp.experts.1.up_proj"})
      layer.linears.push_back({name, 0.02, NAN});
    errors.layers.push_back(layer);
  }
  for (const double width : {1200.0, 400.0}) {
    ChartOptions options;
    options.width = width;
    const Drawing drawing = *layer_chart(errors, options);
    EXPECT_TRUE(has_text(drawing, "self_attn.q_proj, weights"));
    EXPECT_TRUE(has_text(drawing, "mlp.experts.*.up_proj, weights"));
    EXPECT_FALSE(has_text(drawing, "self_attn.q_proj, alone"));
    expect_inside(drawing);
  }
}

TEST(PlaceLabels, LeavesOutWhatHasNoRoom) {
  const LabelField field{{0, 0, 100, 40}, {Box::around({50, 20}, 10, 10)}, {}};
  const auto places = place_labels(field, {{{50, 20}, 40, 14}, {{50, 20}, 90, 39}});
  EXPECT_TRUE(places[0]);
  EXPECT_FALSE(places[1]);
}

TEST(Text, IsElidedInItsMiddleAndWrappedAtJoints) {
  const TextStyle style{12};
  EXPECT_EQ(elided("short", 100, style), "short");
  const std::string cut = elided("a very long name that ends in Q4_K_M", 120, style);
  EXPECT_LE(text_width(cut, style), 120);
  EXPECT_TRUE(cut.ends_with("_K_M")) << cut;
  EXPECT_TRUE(cut.starts_with("a ver")) << cut;
  EXPECT_EQ(elided("日本語日本語日本語", 1, style), "…");
  const auto lines = wrapped("Meta-Llama-3.1-8B-Instruct", 100, style, 5);
  ASSERT_GT(lines.size(), 1U);
  EXPECT_EQ(fmt::format("{}{}", lines[0], lines[1]).substr(0, 10), "Meta-Llama");
  for (const std::string& line : lines) EXPECT_LE(text_width(line, style), 100) << line;
}

TEST(Text, IsMadeFitForDrawing) {
  EXPECT_EQ(drawable("a\xff\x01"
                     "b\u202ec"),
            "a\uFFFD b"
            "c");
  EXPECT_EQ(html_escaped("<a href='x'>&\"</a>\n"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt; ");
}

TEST(Render, WritesEveryTypeOfFile) {
  Result result = chart_result(3);
  result.models[1].label = "bad\xff\x01 <name> & \"co\"";
  const Drawing drawing = *scatter_chart(result, {});
  EXPECT_TRUE(render(drawing, ImageType::png, true).starts_with("\x89PNG"));
  EXPECT_TRUE(render(drawing, ImageType::pdf, false).starts_with("%PDF"));
  test::expect_contains(render(drawing, ImageType::svg, false), "<svg");
}

TEST(InlineSvg, EscapesNamesAndHasTooltips) {
  Result result = chart_result(3);
  result.models[1].label = "AWQ <script>alert(1)</script>";
  const std::string svg = inline_svg(*scatter_chart(result, {}), "a chart");
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  test::expect_contains(svg, "<title>AWQ &lt;script&gt;");
}

TEST(Drawing, WidthOfATextIsThatOfItsPartsWhateverFontsShowThem) {
  const TextStyle style;
  const double words = text_width("Q4 ", style), han = text_width("\u91cf\u5b50", style);
  EXPECT_GT(han, 0);
  EXPECT_NEAR(text_width("Q4 \u91cf\u5b50", style), words + han, 1e-9);
  EXPECT_EQ(text_width("", style), 0);
}

}  // namespace
}  // namespace assay
