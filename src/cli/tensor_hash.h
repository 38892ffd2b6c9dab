#pragma once
#include <map>
#include <string>

#include "base/parallel.h"
#include "cli/console.h"
#include "forward/evaluate.h"

namespace assay {

/// SHA-256 of every decoded weight (float32, little-endian, row-major) by its dense name: embedding, linears of all
/// layers, and the head unless it is tied. Memory stays at a few row tiles whatever the model.
std::map<std::string, std::string> hash_weights(const OpenModel& model, ThreadPool& pool, const Console& console);

}  // namespace assay
