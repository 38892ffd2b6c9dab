#pragma once
#include <string>

#include "report/result.h"

namespace assay {

/// The whole report as one page that needs no network: tables, charts, comparisons, text, and how it was measured.
std::string results_html(const Result& result);

}  // namespace assay
