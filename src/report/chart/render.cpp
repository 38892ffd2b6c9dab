#include "report/chart/render.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>

#include <cmath>
#include <memory>

#include "base/error.h"
#include "report/chart/fonts.h"

namespace assay {

namespace {

constexpr double kPngScale = 2;

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
using Context = std::unique_ptr<cairo_t, decltype(&cairo_destroy)>;

cairo_status_t append(void* target, const unsigned char* data, unsigned int size) {
  static_cast<std::string*>(target)->append(reinterpret_cast<const char*>(data), size);
  return CAIRO_STATUS_SUCCESS;
}

void check(cairo_status_t status) {
  if (status != CAIRO_STATUS_SUCCESS) fail("chart: Cairo cannot draw it: {}", cairo_status_to_string(status));
}

class Painter {
 public:
  Painter(cairo_t* context, bool dark) : c_(context), dark_(dark) {}

  void paint(const Shape& shape) {
    switch (shape.kind) {
      case Shape::Kind::line:
        path(shape.points);
        stroke(shape, shape.color);
        break;
      case Shape::Kind::area:
        shape.radius > 0 ? rounded(shape) : path(shape.points);
        cairo_close_path(c_);
        fill(shape, shape.color);
        break;
      case Shape::Kind::circle:
        cairo_new_path(c_);
        cairo_arc(c_, shape.points[0].x, shape.points[0].y, shape.radius, 0, 2 * M_PI);
        set(shape.color);
        cairo_fill_preserve(c_);
        stroke(shape, shape.edge);
        break;
      case Shape::Kind::text:
        text(shape);
        break;
    }
  }

  void set(const Color& color) {
    const Rgb c = rgb(color, dark_);
    cairo_set_source_rgba(c_, c.r, c.g, c.b, color.alpha);
  }

 private:
  void path(const std::vector<Point>& points) {
    cairo_new_path(c_);
    for (const Point& p : points) cairo_line_to(c_, p.x, p.y);
  }
  void rounded(const Shape& shape) {
    const Point a = shape.points[0], b = shape.points[2];
    const double r = std::min({shape.radius, (b.x - a.x) / 2, (b.y - a.y) / 2});
    cairo_new_path(c_);
    cairo_arc(c_, b.x - r, a.y + r, r, -M_PI / 2, 0);
    cairo_arc(c_, b.x - r, b.y - r, r, 0, M_PI / 2);
    cairo_arc(c_, a.x + r, b.y - r, r, M_PI / 2, M_PI);
    cairo_arc(c_, a.x + r, a.y + r, r, M_PI, 3 * M_PI / 2);
  }
  void fill(const Shape&, const Color& color) {
    set(color);
    cairo_fill(c_);
  }
  void stroke(const Shape& shape, const Color& color) {
    if (shape.width > 0) {
      set(color);
      cairo_set_line_width(c_, shape.width);
      cairo_set_line_join(c_, CAIRO_LINE_JOIN_ROUND);
      cairo_set_line_cap(c_, shape.dashes.empty() ? CAIRO_LINE_CAP_BUTT : CAIRO_LINE_CAP_ROUND);
      cairo_set_dash(c_, shape.dashes.data(), static_cast<int>(shape.dashes.size()), 0);
      cairo_stroke(c_);
    }
    cairo_new_path(c_);
  }
  void text(const Shape& shape) {
    set(shape.color);
    const double width = text_width(shape.text, shape.style);
    const double before = shape.style.anchor == Anchor::start    ? 0
                          : shape.style.anchor == Anchor::middle ? width / 2
                                                                 : width;
    cairo_save(c_);
    cairo_translate(c_, shape.points[0].x, shape.points[0].y);
    if (shape.style.upwards) cairo_rotate(c_, -M_PI / 2);
    cairo_move_to(c_, -before, 0);
    for_each_font(c_, shape.text, shape.style, [&](const std::string& part) { cairo_show_text(c_, part.c_str()); });
    cairo_restore(c_);
    cairo_new_path(c_);
  }

  cairo_t* c_;
  bool dark_;
};

void paint(const Drawing& drawing, cairo_surface_t* surface, double scale, bool dark) {
  const Context context(cairo_create(surface), cairo_destroy);
  cairo_scale(context.get(), scale, scale);
  Painter painter(context.get(), dark);
  painter.set({Ink::figure});
  cairo_paint(context.get());
  for (const Shape& shape : drawing.shapes()) painter.paint(shape);
  check(cairo_status(context.get()));
}

}  // namespace

std::string render(const Drawing& drawing, ImageType type, bool dark) {
  std::string out;
  const double width = drawing.width(), height = drawing.height();
  if (type == ImageType::png) {
    const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width * kPngScale)),
                                                     static_cast<int>(std::ceil(height * kPngScale))),
                          cairo_surface_destroy);
    check(cairo_surface_status(surface.get()));
    paint(drawing, surface.get(), kPngScale, dark);
    check(cairo_surface_write_to_png_stream(surface.get(), append, &out));
    return out;
  }
  const auto create =
      type == ImageType::svg ? cairo_svg_surface_create_for_stream : cairo_pdf_surface_create_for_stream;
  const Surface surface(create(append, &out, width, height), cairo_surface_destroy);
  check(cairo_surface_status(surface.get()));
  paint(drawing, surface.get(), 1, dark);
  cairo_surface_finish(surface.get());
  check(cairo_surface_status(surface.get()));
  return out;
}

}  // namespace assay
