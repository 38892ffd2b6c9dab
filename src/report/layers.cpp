#include "report/layers.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "report/json_parts.h"
#include "report/result.h"
#include "report/text_table.h"

namespace assay {

namespace {

constexpr size_t kWorst = 10;

struct Place {
  size_t layer = 0;
  const LayerErrors::Linear* linear = nullptr;
};

std::string number(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.5f}", value);
}

/// Largest error of the hidden state first; those that were not measured are left out.
std::vector<Place> by_harm(const LayerErrors& errors) {
  std::vector<Place> places;
  for (size_t i = 0; i < errors.layers.size(); ++i)
    for (const LayerErrors::Linear& linear : errors.layers[i].linears)
      if (!std::isnan(linear.output)) places.push_back({i, &linear});
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.linear->output > b.linear->output; });
  return places;
}

}  // namespace

std::string layers_table(const LayerErrors& errors, int width) {
  TextTable layers({{"layer", true},
                    {"this layer\nalone", true},
                    {"up to\nhere", true},
                    {"hurts most", false, 12},
                    {"alone", true},
                    {"its\nweights", true}});
  const std::vector<Place> harm = by_harm(errors);
  for (size_t i = 0; i < errors.layers.size(); ++i) {
    const auto worst = std::find_if(harm.begin(), harm.end(), [&](const Place& place) { return place.layer == i; });
    const bool known = worst != harm.end();
    layers.add({fmt::format("{}", i), number(errors.layers[i].own), number(errors.layers[i].cumulative),
                known ? worst->linear->name : "-", number(known ? worst->linear->output : NAN),
                number(known ? worst->linear->weight : NAN)});
  }
  TextTable linears({{"layer", true}, {"linear", false, 12}, {"alone", true}, {"its\nweights", true}});
  for (size_t i = 0; i < std::min(kWorst, harm.size()); ++i)
    linears.add({fmt::format("{}", harm[i].layer), harm[i].linear->name, number(harm[i].linear->output),
                 number(harm[i].linear->weight)});
  std::string text = fmt::format(
      "Relative error of the hidden states of {} against {}, root mean square over tokens\n\n{}\nThe linears that hurt "
      "most, each alone in its layer of the reference\n\n{}",
      errors.model, errors.reference, layers.render(width), linears.render(width));
  for (const std::string& note : errors.notes) text += "note: " + note + "\n";
  return text;
}

std::string layers_csv(const LayerErrors& errors) {
  const auto cell = [](double value) { return std::isnan(value) ? std::string() : fmt::format("{}", value); };
  std::string text = "layer,linear,weight_error,output_error,own_error,cumulative_error\n";
  for (size_t i = 0; i < errors.layers.size(); ++i) {
    const LayerErrors::Layer& layer = errors.layers[i];
    text += fmt::format("{},,,,{},{}\n", i, cell(layer.own), cell(layer.cumulative));
    for (const LayerErrors::Linear& linear : layer.linears)
      text += fmt::format("{},{},{},{},,\n", i, linear.name, cell(linear.weight), cell(linear.output));
  }
  return text;
}

std::string layers_json(const LayerErrors& errors) {
  OrderedJson layers = OrderedJson::array();
  for (const LayerErrors::Layer& layer : errors.layers) {
    OrderedJson linears = OrderedJson::array();
    for (const LayerErrors::Linear& linear : layer.linears)
      linears.push_back({{"name", linear.name}, {"weight", linear.weight}, {"output", linear.output}});
    layers.push_back({{"own", layer.own}, {"cumulative", layer.cumulative}, {"linears", linears}});
  }
  return json_text({{"schema", "assay.layers/1"},
                    {"assay", {{"version", kVersion}}},
                    {"reference", errors.reference},
                    {"model", errors.model},
                    {"layers", layers},
                    {"notes", errors.notes}},
                   1);
}

}  // namespace assay
