#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <vector>

#include "report/html/parts.h"

namespace assay {

namespace {

/// The roles of all models, those with the most bits first.
std::vector<std::string> roles_of(const Result& result) {
  std::map<std::string, double> share;
  for (const ModelResult& model : result.models)
    if (model.storage)
      for (const auto& [role, bits] : model.storage->roles) {
        const auto total = static_cast<double>(model.storage->decoder.bits + model.storage->head.bits);
        share[role] += total > 0 ? static_cast<double>(bits) / total : 0;
      }
  std::vector<std::string> roles;
  for (const auto& [role, sum] : share) roles.push_back(role);
  std::stable_sort(roles.begin(), roles.end(),
                   [&](const std::string& a, const std::string& b) { return share[a] > share[b]; });
  return roles;
}

double bits_per_weight(const Storage& storage, const std::string& role) {
  const auto found = storage.roles.find(role);
  return found == storage.roles.end() ? 0 : Bits{found->second, storage.decoder.weights + storage.head.weights}.bpw();
}

double total_bpw(const Storage& storage) {
  double sum = 0;
  for (const auto& [role, bits] : storage.roles) sum += bits_per_weight(storage, role);
  return sum;
}

}  // namespace

std::string bits_section(const Result& result) {
  const std::vector<std::string> roles = roles_of(result);
  if (roles.empty()) return "";
  double widest = 0;
  for (const ModelResult& model : result.models)
    if (model.storage) widest = std::max(widest, total_bpw(*model.storage));
  std::string keys = "<div class=\"keys\">";
  std::string table = "<div class=\"scroll\"><table class=\"sortable\"><thead><tr><th>model</th><th>bits by role</th>";
  for (size_t i = 0; i < roles.size(); ++i) {
    keys += fmt::format("<span><i style=\"background:var(--s{})\"></i>{}</span>", i % 20, html_escaped(roles[i]));
    table += "<th class=\"n\">" + html_escaped(roles[i]) + "</th>";
  }
  table += "<th class=\"n\">all</th><th class=\"n\" title=\"of all tensor files\">file, GiB</th></tr></thead><tbody>\n";
  for (const ModelResult& model : result.models) {
    if (!model.storage) continue;
    const std::string label = html_escaped(model.label);
    table += fmt::format("<tr><td><div class=\"name\" title=\"{}\">{}</div></td><td><div class=\"bar\">", label, label);
    for (size_t i = 0; i < roles.size(); ++i)
      if (const double bpw = bits_per_weight(*model.storage, roles[i]); bpw > 0)
        table += fmt::format("<i style=\"width:{:.3f}%;background:var(--s{})\" title=\"{} {} bits per weight\"></i>",
                             100 * bpw / widest, i % 20, html_escaped(roles[i]), bpw);
    table += "</div></td>";
    for (const std::string& role : roles) {
      const double bpw = bits_per_weight(*model.storage, role);
      table += number_cell(bpw, fmt::format("{:.4f}", bpw));
    }
    const double total = total_bpw(*model.storage), gib = static_cast<double>(model.storage->file_bytes) / (1 << 30);
    table +=
        number_cell(total, fmt::format("{:.4f}", total)) + number_cell(gib, fmt::format("{:.3f}", gib)) + "</tr>\n";
  }
  return section("bits", "Bits by role",
                 "What the decoder's and the head's weights take in the files, per weight, by what it is for.",
                 keys + "</div>\n" + table + "</tbody></table></div>\n");
}

}  // namespace assay
