#pragma once
#include <nlohmann/json.hpp>

#include "report/json.h"
#include "report/pairs.h"

namespace assay {

/// Keys in the order of the schema. A NaN is written as null.
using OrderedJson = nlohmann::ordered_json;

/// Indented text that ends with a newline; bytes that are not UTF-8 are replaced.
std::string json_text(const OrderedJson& json, int indent, bool ascii = false);
OrderedJson null_if_empty(const std::string& text);

/// The keys of a model that running it gave; `notes` excepted.
OrderedJson measurement_fields(const Measurement& measurement);
/// {"mean", "se", "df"}
OrderedJson estimate_json(const Estimate& estimate);

/// Absent or null: NaN.
double number_or_nan(const JsonObject& json, const char* key);
/// A list of numbers where null stands for NaN; absent: empty.
std::vector<double> numbers(const JsonObject& json, const char* key);
/// An integer that is not negative; absent or null: 0.
int64_t count_of(const JsonObject& json, const char* key);

}  // namespace assay
