#include <fmt/core.h>
#include <fmt/ranges.h>

#include <set>

#include "report/html/parts.h"

namespace assay {

namespace {

class List {
 public:
  void add(const char* name, const std::string& value) {
    if (!value.empty()) out_ += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html_escaped(value));
  }
  template <class T>
  void number(const char* name, T value) {
    add(name, fmt::format("{}", value));
  }
  void code(const char* name, const std::string& value) {
    if (!value.empty()) out_ += fmt::format("<dt>{}</dt><dd><code>{}</code></dd>\n", name, html_escaped(value));
  }
  std::string html() const { return "<dl>\n" + out_ + "</dl>\n"; }

 private:
  std::string out_;
};

std::string protocol_text(const std::string& protocol) {
  if (protocol == "P1") return "P1: blank rows dropped, the others joined with two newlines (compare_q)";
  if (protocol == "P2") return "P2: all rows joined with two newlines";
  if (protocol == "P3") return "P3: the bytes of the file (llama.cpp)";
  if (protocol == "llama.cpp") return "llama.cpp: the bytes of the file, scored as llama-perplexity does";
  return protocol;
}

/// The values that the models of a run have, each once.
std::string values_of(const Result& result, std::string ModelResult::*field) {
  std::set<std::string> values;
  for (const ModelResult& model : result.models)
    if (!(model.*field).empty()) values.insert(model.*field);
  return fmt::format("{}", fmt::join(values, ", "));
}

std::string errors_text(const Result& result) {
  const int64_t clusters = cluster_count(result);
  std::string text = fmt::format("clustered by {}", result.data.clusters);
  if (clusters > 0)
    text += fmt::format(" ({} clusters, and Student's t with {} degrees of freedom for 95% intervals)", clusters,
                        clusters - 1);
  text +=
      ". They say how much the numbers would change with other text of the same kind; neighbouring stretches of one "
      "text resemble each other, which makes them somewhat too small";
  if (few_clusters(result)) text += ", and with so few clusters they are rough";
  return text + ". Percentiles: 1000 resamples of whole clusters.";
}

void add_divergence(const Result& result, List& list) {
  std::set<std::string> references, contents, vocabularies;
  for (const ModelResult& model : result.models) {
    if (!model.has_comparison()) continue;
    const Comparison& c = *model.measured->comparison;
    references.insert(c.reference);
    if (!c.reference_content.empty()) contents.insert(c.reference_content);
    vocabularies.insert(fmt::format("{}", c.vocabulary));
  }
  if (references.empty()) return;
  list.add("KLD",
           "KL(reference || model), exact over the vocabulary, nats, no epsilon and no clipping, mean over every "
           "position that predicts a scored token");
  list.add("reference", fmt::format("{}", fmt::join(references, ", ")));
  list.code("reference, content hash", fmt::format("{}", fmt::join(contents, ", ")));
  list.add("vocabulary", fmt::format("{} logits", fmt::join(vocabularies, ", ")));
}

std::string notes_of(const Result& result) {
  std::string out;
  for (const std::string& note : result.data.notes) out += "<li>" + html_escaped(note) + "</li>\n";
  for (const ModelResult& model : result.models) {
    std::vector<std::string> notes = model.notes;
    if (model.measured) notes.insert(notes.end(), model.measured->notes.begin(), model.measured->notes.end());
    for (const std::string& note : notes)
      out += fmt::format("<li><b>{}</b>: {}</li>\n", html_escaped(model.label), html_escaped(note));
  }
  return out.empty() ? "" : "<h3>Notes</h3>\n<ul class=\"note\">\n" + out + "</ul>\n";
}

std::string models_table(const Result& result) {
  std::string out =
      "<h3>Models</h3>\n<div class=\"scroll\"><table><thead><tr><th>model</th><th>files</th><th>architecture</th>"
      "<th>declared activations</th><th class=\"n\">peak memory, GiB</th><th class=\"n\">tokens a "
      "second</th></tr></thead>"
      "<tbody>\n";
  for (const ModelResult& model : result.models) {
    const std::string label = html_escaped(model.label);
    out += fmt::format("<tr><td><div class=\"name\" title=\"{}\">{}</div></td><td><code>{}</code></td>", label, label,
                       html_escaped(model.model_dir));
    if (!model.ok() || !model.measured) {
      out += "<td class=\"fail\" colspan=\"4\">failed: " + html_escaped(model.error) + "</td></tr>\n";
      continue;
    }
    const double peak = static_cast<double>(model.measured->peak_rss_bytes) / (1 << 30);
    out += fmt::format(
        "<td>{}</td><td>{}</td>{}{}</tr>\n", html_escaped(model.architecture), html_escaped(model.storage->activations),
        number_cell(peak, fmt::format("{:.2f}", peak)),
        number_cell(model.measured->tokens_per_second, fmt::format("{:.1f}", model.measured->tokens_per_second)));
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace

std::string protocol_section(const Result& result) {
  const DataRecord& data = result.data;
  List list;
  list.add("data set", data.dataset);
  list.add("rows of the data set to text", protocol_text(data.protocol));
  list.number("rows", data.rows);
  list.number("tokens in a row", data.length);
  list.number("stride", data.stride);
  list.number("warm-up tokens", data.warmup);
  list.number("prefix tokens (chat template)", data.prefix);
  list.add("first scored position", fmt::format("{} (position p predicts token p + 1)", data.first_scored));
  list.number("scored tokens", data.tokens_scored);
  list.add("BOS", data.bos ? fmt::format("{}, once in front of the text", *data.bos) : "none");
  list.number("tokens of the text", data.corpus_tokens);
  list.code("token ids, SHA-256", data.tokens_sha256);
  list.code("text, SHA-256", data.text_sha256);
  list.add("standard errors", errors_text(result));
  add_divergence(result, list);
  list.add("arithmetic", values_of(result, &ModelResult::precision));
  list.add("activation quantization", values_of(result, &ModelResult::activations));
  list.add("KV cache quantization", values_of(result, &ModelResult::kv_cache));
  list.add("assay", result.version);
  list.add("device", fmt::format("{}, {} threads", result.device, result.threads));
  return section("protocol", "How it was measured", "", list.html() + models_table(result) + notes_of(result));
}

}  // namespace assay
