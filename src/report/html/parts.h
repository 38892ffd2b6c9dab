#pragma once
#include <string>

#include "report/chart/render.h"
#include "report/result.h"

// The sections of the page, each as HTML. A section that has nothing to say is empty.
namespace assay {

extern const char* const kPageStyle;
extern const char* const kPageScript;

std::string results_section(const Result& result);
std::string charts_section(const Result& result);
std::string pairs_section(const Result& result);
std::string bits_section(const Result& result);
std::string divergence_section(const Result& result);
/// The text with each token shaded by its KLD, and the worst tokens; the script fills it in.
std::string text_section(const Result& result);
std::string protocol_section(const Result& result);

/// "<section id=..><h2>title</h2><p class=lead>lead</p>body</section>"; `lead` and `body` are HTML.
std::string section(const std::string& id, const std::string& title, const std::string& lead, const std::string& body);
/// A table cell with a number: the text for people, every digit as a tooltip and for sorting. "-" for NaN.
std::string number_cell(double value, const std::string& text);

}  // namespace assay
