#pragma once
#include <cstdint>
#include <string>

namespace assay {

/// What a colour is for. A theme says what it looks like.
enum class Ink : uint8_t { figure, axes, edge, label, title, grid, tick, subtitle, series, series_text };
constexpr int kFixedInks = static_cast<int>(Ink::series);

struct Color {
  Ink ink = Ink::label;
  int series = 0;  ///< of series and series_text: which family; any number
  double alpha = 1;

  Color faded(double to) const { return {ink, series, alpha * to}; }
};
inline Color series_color(int series) {
  return {Ink::series, series, 1};
}
/// The same hue, dark or light enough to be read.
inline Color series_text_color(int series) {
  return {Ink::series_text, series, 1};
}

struct Rgb {
  double r = 0, g = 0, b = 0;  ///< [0, 1]
};
Rgb rgb(const Color& color, bool dark);
/// "#1f77b4", alpha left out.
std::string hex(const Rgb& color);
/// (lighter + 0.05) / (darker + 0.05) of the relative luminances (WCAG 2): 4.5 is enough for text.
double contrast(const Rgb& a, const Rgb& b);

}  // namespace assay
