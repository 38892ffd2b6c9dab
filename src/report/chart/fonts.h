#pragma once
#include <cairo.h>

#include <functional>
#include <string>

#include "report/chart/drawing.h"

namespace assay {

/// Calls run(part) for each part of a text that one font can show, in order, with that font and size selected. Cairo
/// itself shows boxes for what a font lacks; here another one of the system stands in where it has the characters.
/// Letters are not joined, nor turned right to left.
void for_each_font(cairo_t* context, const std::string& text, const TextStyle& style,
                   const std::function<void(const std::string& part)>& run);

}  // namespace assay
