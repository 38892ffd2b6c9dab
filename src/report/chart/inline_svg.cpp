#include <fmt/core.h>

#include "report/chart/render.h"

namespace assay {

namespace {

constexpr const char* kInkNames[kFixedInks] = {"figure", "axes", "edge", "label", "title", "grid", "tick", "subtitle"};

std::string variable(const Color& color) {
  if (color.ink == Ink::series) return fmt::format("var(--s{})", color.series);
  if (color.ink == Ink::series_text) return fmt::format("var(--t{})", color.series);
  return fmt::format("var(--{})", kInkNames[static_cast<int>(color.ink)]);
}

std::string paint(const char* what, const Color& color) {
  std::string out = fmt::format("{}:{};", what, variable(color));
  if (color.alpha < 1) out += fmt::format("{}-opacity:{:.2f};", what, color.alpha);
  return out;
}

std::string path_of(const Shape& shape) {
  std::string path;
  for (const Point& p : shape.points) path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", p.x, p.y);
  return path;
}

std::string title_of(const Shape& shape) {
  return shape.tooltip.empty() ? "" : "<title>" + html_escaped(shape.tooltip) + "</title>";
}

std::string element(const char* name, const std::string& attributes, const std::string& style, const Shape& shape) {
  const std::string title = title_of(shape);
  const std::string open = fmt::format("<{} {} style=\"{}\"", name, attributes, style);
  return title.empty() ? open + "/>\n" : fmt::format("{}>{}</{}>\n", open, title, name);
}

std::string stroke_of(const Shape& shape, const Color& color) {
  std::string style = paint("stroke", color) + fmt::format("stroke-width:{:.2g};", shape.width);
  if (!shape.dashes.empty()) style += "stroke-linecap:round;";
  for (size_t i = 0; i < shape.dashes.size(); ++i)
    style += fmt::format("{}{:.2g}", i == 0 ? "stroke-dasharray:" : " ", shape.dashes[i]);
  return style;
}

std::string text_element(const Shape& shape) {
  const char* anchors[] = {"start", "middle", "end"};
  const Point p = shape.points[0];
  std::string attributes = fmt::format("x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:.3g}\"", p.x, p.y, shape.style.size);
  if (shape.style.bold) attributes += " font-weight=\"bold\"";
  if (shape.style.anchor != Anchor::start)
    attributes += fmt::format(" text-anchor=\"{}\"", anchors[static_cast<int>(shape.style.anchor)]);
  if (shape.style.upwards) attributes += fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", p.x, p.y);
  return fmt::format("<text {} style=\"{}\">{}{}</text>\n", attributes, paint("fill", shape.color), title_of(shape),
                     html_escaped(shape.text));
}

std::string svg_of(const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::line:
      return element("path", fmt::format("d=\"{}\"", path_of(shape)), "fill:none;" + stroke_of(shape, shape.color),
                     shape);
    case Shape::Kind::area: {
      if (shape.radius == 0)
        return element("path", fmt::format("d=\"{}Z\"", path_of(shape)), paint("fill", shape.color), shape);
      const Point a = shape.points[0], b = shape.points[2];
      return element("rect",
                     fmt::format("x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"{:.1f}\"", a.x, a.y,
                                 b.x - a.x, b.y - a.y, shape.radius),
                     paint("fill", shape.color), shape);
    }
    case Shape::Kind::circle: {
      const Point c = shape.points[0];
      return element("circle", fmt::format("cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"", c.x, c.y, shape.radius),
                     paint("fill", shape.color) + (shape.width > 0 ? stroke_of(shape, shape.edge) : ""), shape);
    }
    case Shape::Kind::text:
      return text_element(shape);
  }
  return {};
}

}  // namespace

std::string html_escaped(const std::string& text) {
  std::string out;
  for (const char c : drawable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string inline_svg(const Drawing& drawing, const std::string& description) {
  std::string out = fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n", drawing.width(),
                                drawing.height(), html_escaped(description));
  for (const Shape& shape : drawing.shapes()) out += svg_of(shape);
  return out + "</svg>\n";
}

std::string page_colors(bool dark, int series) {
  std::string out;
  for (int i = 0; i < kFixedInks; ++i)
    out += fmt::format("--{}:{};", kInkNames[i], hex(rgb({static_cast<Ink>(i)}, dark)));
  for (int i = 0; i < series; ++i)
    out +=
        fmt::format("--s{}:{};--t{}:{};", i, hex(rgb(series_color(i), dark)), i, hex(rgb(series_text_color(i), dark)));
  return out;
}

}  // namespace assay
