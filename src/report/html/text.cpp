#include <cmath>

#include "report/html/parts.h"
#include "report/json_parts.h"

namespace assay {

namespace {

OrderedJson choices(const std::vector<ProbableToken>& tokens) {
  OrderedJson out = OrderedJson::array();
  for (const ProbableToken& t : tokens) out.push_back({t.text, t.probability});
  return out;
}

OrderedJson data_of(const ModelResult& model) {
  const Comparison& c = *model.measured->comparison;
  OrderedJson view = OrderedJson::array(), worst = OrderedJson::array();
  for (const ViewToken& t : c.view) view.push_back({t.text, t.kld, choices(t.reference), choices(t.model)});
  for (size_t i = 0; i < c.worst.size(); ++i) {
    const WorstToken& w = c.divergence.worst[i];
    worst.push_back({w.kld, w.row, w.position, c.worst[i].before, c.worst[i].token, c.worst[i].after});
  }
  return {{"label", model.label}, {"reference", c.reference}, {"view", view}, {"worst", worst}};
}

/// JSON that cannot end the element it stands in.
std::string script_safe(const std::string& json) {
  std::string out;
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string text_section(const Result& result) {
  OrderedJson data = OrderedJson::array();
  std::string options;
  for (const ModelResult& model : result.models) {
    if (!model.ok() || !model.has_comparison() || model.role == ModelRole::noise_floor) continue;
    const Comparison& c = *model.measured->comparison;
    if (c.view.empty() && c.worst.empty()) continue;
    options += "<option value=\"" + std::to_string(data.size()) + "\">" + html_escaped(model.label) + "</option>";
    data.push_back(data_of(model));
  }
  if (data.empty()) return "";
  return section(
      "text", "Text",
      "Each token is shaded by the KLD of the prediction that should have named it. Point at one, or tap it, to see "
      "what "
      "the reference and the model thought most likely.",
      "<div class=\"tabs\"><label>Model <select id=\"view-model\">" + options +
          "</select></label><span class=\"muted\">KLD 0.001<span class=\"ramp\"></span>3 nats</span></div>\n"
          "<div id=\"view\"></div>\n<h3>Tokens with the largest KLD</h3>\n<div class=\"scroll\"><table "
          "class=\"worst\"><thead>"
          "<tr><th class=\"n\">KLD</th><th class=\"n\">row</th><th class=\"n\">position</th><th>text</th></tr></thead>"
          "<tbody id=\"worst\"></tbody></table></div>\n<script type=\"application/json\" id=\"text-data\">" +
          script_safe(json_text(data, -1)) + "</script>\n");
}

}  // namespace assay
