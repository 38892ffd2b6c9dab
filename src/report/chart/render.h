#pragma once
#include <string>

#include "report/chart/drawing.h"

namespace assay {

enum class ImageType : uint8_t { svg, png, pdf };

/// The bytes of an image file, drawn by Cairo with the text as outlines. A PNG has two pixels for each of the
/// drawing's.
std::string render(const Drawing& drawing, ImageType type, bool dark);

/// An <svg> element for an HTML page: text stays text, tooltips are titles, and colours are the page's variables
/// (page_colors).
std::string inline_svg(const Drawing& drawing, const std::string& description);
/// "--figure:#ffffff;--axes:..." for as many series as drawings may have.
std::string page_colors(bool dark, int series);
/// Text for HTML, also inside an attribute: & < > " ' are entities, control characters spaces.
std::string html_escaped(const std::string& text);

}  // namespace assay
