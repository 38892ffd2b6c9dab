#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "formats/format.h"
#include "formats/known_names.h"
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

namespace {

/// Error for a name that means nothing, or a method that is not decoded.
std::vector<Format> asked_for(const FormatsRequest& request) {
  if (request.names.empty()) return formats();
  std::vector<Format> all;
  for (const std::string& name : request.names) {
    std::vector<Format> found = formats_named(name);
    if (!found.empty()) {
      all.insert(all.end(), found.begin(), found.end());
    } else if (const auto what = method_not_decoded(name)) {
      fail("formats: {} ({}) is known, but not decoded by this version", name, *what);
    } else {
      const auto near = nearest(name, known_format_names());
      fail("formats: nothing is known as \"{}\"{} (see assay formats)", name,
           near ? fmt::format("; did you mean {}?", *near) : "");
    }
  }
  return all;
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
  for (const Format& format : asked_for(request)) {
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
