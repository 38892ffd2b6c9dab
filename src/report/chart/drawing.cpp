#include "report/chart/drawing.h"

#include <cairo.h>
#include <utf8proc.h>

#include <memory>
#include <string_view>

#include "report/chart/fonts.h"

namespace assay {

Shape& Drawing::line(std::vector<Point> points, Color color, double width, std::vector<double> dashes) {
  Shape shape;
  shape.points = std::move(points);
  shape.color = color;
  shape.width = width;
  shape.dashes = std::move(dashes);
  return shapes_.emplace_back(std::move(shape));
}

Shape& Drawing::area(std::vector<Point> points, Color fill) {
  Shape shape;
  shape.kind = Shape::Kind::area;
  shape.points = std::move(points);
  shape.color = fill;
  return shapes_.emplace_back(std::move(shape));
}

Shape& Drawing::box(const Box& b, Color fill, double corner_radius) {
  Shape& shape = area({{b.left, b.top}, {b.right, b.top}, {b.right, b.bottom}, {b.left, b.bottom}}, fill);
  shape.radius = corner_radius;
  return shape;
}

Shape& Drawing::circle(Point center, double radius, Color fill) {
  Shape shape;
  shape.kind = Shape::Kind::circle;
  shape.points = {center};
  shape.radius = radius;
  shape.color = fill;
  return shapes_.emplace_back(std::move(shape));
}

Shape& Drawing::text(Point baseline, const std::string& text, Color color, TextStyle style) {
  Shape shape;
  shape.kind = Shape::Kind::text;
  shape.points = {baseline};
  shape.color = color;
  shape.text = drawable(text);
  shape.style = style;
  return shapes_.emplace_back(std::move(shape));
}

double text_width(const std::string& text, const TextStyle& style) {
  // Metrics need no pixels: one context for all measuring of a thread.
  thread_local const std::unique_ptr<cairo_t, decltype(&cairo_destroy)> context = [] {
    cairo_surface_t* surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    std::unique_ptr<cairo_t, decltype(&cairo_destroy)> out(cairo_create(surface), cairo_destroy);
    cairo_surface_destroy(surface);
    return out;
  }();
  double width = 0;
  for_each_font(context.get(), drawable(text), style, [&](const std::string& part) {
    cairo_text_extents_t extents;
    cairo_text_extents(context.get(), part.c_str(), &extents);
    width += extents.x_advance;
  });
  return width;
}

std::string drawable(const std::string& text) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    utf8proc_int32_t code = -1;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(rest.data()),
                                        static_cast<utf8proc_ssize_t>(rest.size()), &code);
    if (bytes <= 0) {
      out += "\uFFFD";
      rest.remove_prefix(1);
      continue;
    }
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const bool turns_text = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    if (!turns_text) out += control ? " " : rest.substr(0, static_cast<size_t>(bytes));
    rest.remove_prefix(static_cast<size_t>(bytes));
  }
  return out;
}

namespace {

bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

}  // namespace

std::string elided(const std::string& raw, double width, const TextStyle& style) {
  const std::string text = drawable(raw);
  if (text_width(text, style) <= width) return text;
  size_t head = text.size() / 2, tail = head;
  for (;;) {
    // From the longer side, a whole character.
    if (head >= text.size() - tail && head > 0) {
      do --head;
      while (head > 0 && !starts_character(text[head]));
    } else if (tail < text.size()) {
      do ++tail;
      while (tail < text.size() && !starts_character(text[tail]));
    }
    const std::string shorter = text.substr(0, head) + "…" + text.substr(tail);
    if ((head == 0 && tail == text.size()) || text_width(shorter, style) <= width) return shorter;
  }
}

std::vector<std::string> wrapped(const std::string& raw, double width, const TextStyle& style, size_t most) {
  std::string rest = drawable(raw);
  std::vector<std::string> lines;
  while (lines.size() + 1 < most && text_width(rest, style) > width) {
    size_t fits = 0;
    for (size_t i = 1; i < rest.size(); ++i) {
      const bool after = rest[i - 1] == ' ' || rest[i - 1] == '-' || rest[i - 1] == '_' || rest[i - 1] == '/';
      if (!after) continue;
      if (text_width(rest.substr(0, i), style) > width) break;
      fits = i;
    }
    if (fits == 0) break;
    lines.push_back(rest.substr(0, fits));
    if (lines.back().back() == ' ') lines.back().pop_back();
    rest.erase(0, fits);
  }
  lines.push_back(elided(rest, width, style));
  return lines;
}

}  // namespace assay
