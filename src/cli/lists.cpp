#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/console.h"
#include "formats/format.h"
#include "model/config.h"
#include "report/text_table.h"

namespace assay {

using OrderedJson = nlohmann::ordered_json;

namespace {

constexpr const char* kFormatsPage = R"(# Formats

Everything that this version decodes. Made by `make docs` from `src/formats/formats.def`; the header of each format has its
layout, formula and sources.

)";

/// docs/formats.md.
std::string formats_page() {
  std::string page = kFormatsPage;
  page += markdown_row({"family (`quant_method`)", "format", "bits", "stored as"});
  page += markdown_row({"---", "---", "---", "---"});
  for (const auto& [info, matches, open] : formats())
    page += markdown_row({info.family, info.name, info.bits, info.layout});
  return page;
}

}  // namespace

int run(const FormatsRequest& request) {
  Console console(request.json);
  if (request.markdown) {
    console.result(formats_page());
    return 0;
  }
  TextTable table({{"family"}, {"format"}, {"bits"}, {"stored as"}});
  OrderedJson json = OrderedJson::array();
  for (const Format& format : formats()) {
    const FormatInfo& info = format.info;
    table.add({info.family, info.name, info.bits, info.layout});
    json.push_back({{"family", info.family}, {"format", info.name}, {"bits", info.bits}, {"layout", info.layout}});
  }
  console.result(request.json ? json.dump(1) + "\n" : table.render(console.width()));
  return 0;
}

int run(const ArchitecturesRequest& request) {
  Console console(request.json);
  std::string text;
  for (const std::string& name : architectures()) text += name + "\n";
  console.result(request.json ? OrderedJson(architectures()).dump(1) + "\n" : text);
  return 0;
}

int run(const TextRequest& request) {
  Console(true).result(request.text);
  return 0;
}

}  // namespace assay
