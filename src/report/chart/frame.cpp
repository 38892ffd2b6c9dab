#include "report/chart/frame.h"

namespace assay {

namespace {

constexpr double kSwatch = 11;

}  // namespace

Frame::Frame(double width, const std::string& title, const std::string& subtitle,
             const std::vector<LegendEntry>& legend)
    : scale_(width), drawing_(width, 0) {
  const double left = scale_.margin(), room = width - 2 * scale_.margin();
  y_ = scale_.margin() * 0.5;
  for (const std::string& line : wrapped(title, room, scale_.title, 3)) {
    y_ += scale_.title.size * 1.25;
    drawing_.text({left, y_}, line, {Ink::title}, scale_.title);
  }
  y_ += 2;
  for (const std::string& line : wrapped(subtitle, room, scale_.small, 3)) {
    y_ += scale_.line();
    drawing_.text({left, y_}, line, {Ink::subtitle}, scale_.small);
  }
  if (!legend.empty()) {
    y_ += scale_.line() * 1.25;
    double x = left;
    for (const LegendEntry& entry : legend) {
      const std::string text = elided(entry.text, room - kSwatch - 6, scale_.small);
      const double used = kSwatch + 6 + text_width(text, scale_.small);
      if (x > left && x + used > left + room) {
        x = left;
        y_ += scale_.line() * 1.1;
      }
      drawing_.circle({x + kSwatch / 2, y_ - scale_.small.size * 0.35}, kSwatch / 2, entry.color);
      drawing_.text({x + kSwatch + 6, y_}, text, {Ink::label}, scale_.small);
      x += used + 18;
    }
  }
  y_ += scale_.small.size;
}

Box Frame::panel(double height, bool right_axis) {
  const double left = scale_.left(), right = right_axis ? left * 0.8 : scale_.margin();
  const Box box{left, y_, scale_.width - right, y_ + height};
  drawing_.box(box, {Ink::axes}, 6);
  y_ = box.bottom;
  return box;
}

void Frame::grid_x(const Box& panel, const Axis& x) {
  double free_from = 0;  // texts of neighbours keep apart
  for (const Axis::Tick& tick : x.ticks(scale_.narrow ? 52 : 84)) {
    const double at = x.at(tick.value), half = text_width(tick.text, scale_.small) / 2;
    drawing_.line({{at, panel.top}, {at, panel.bottom}}, {Ink::grid}, 1);
    if (at - half < free_from || at + half > scale_.width) continue;
    drawing_.text({at, panel.bottom + scale_.line()}, tick.text, {Ink::tick},
                  {scale_.small.size, false, Anchor::middle});
    free_from = at + half + 6;
  }
  y_ = std::max(y_, panel.bottom + scale_.line() * 1.3);
}

void Frame::grid_y(const Box& panel, const Axis& y) {
  for (const Axis::Tick& tick : y.ticks(scale_.narrow ? 36 : 56)) {
    const double at = y.at(tick.value);
    drawing_.line({{panel.left, at}, {panel.right, at}}, {Ink::grid}, 1);
    drawing_.text({panel.left - 7, at + scale_.small.size * 0.36}, tick.text, {Ink::tick},
                  {scale_.small.size, false, Anchor::end});
  }
}

void Frame::axis_names(const Box& panel, const std::string& x, const std::string& y) {
  for (const std::string& line : wrapped(x, panel.width(), scale_.small, 2)) {
    y_ += scale_.line();
    drawing_.text({panel.center().x, y_}, line, {Ink::label}, {scale_.small.size, false, Anchor::middle});
  }
  y_ += 4;
  drawing_.text({scale_.small.size * 1.3, panel.center().y}, elided(y, panel.height(), scale_.small), {Ink::label},
                {scale_.small.size, false, Anchor::middle, true});
}

void Frame::caption(const ChartOptions& options, std::string usual) {
  if (!options.reference.empty()) usual += (usual.empty() ? "" : " ") + options.reference + ".";
  const std::string& text = options.caption ? *options.caption : usual;
  if (!text.empty()) note(text);
}

void Frame::note(const std::string& text) {
  const TextStyle style{scale_.small.size - 1};
  for (const std::string& line : wrapped(text, scale_.width - 2 * scale_.margin(), style, 6)) {
    y_ += scale_.line();
    drawing_.text({scale_.margin(), y_}, line, {Ink::subtitle}, style);
  }
}

Drawing Frame::finished() && {
  drawing_.set_height(y_ + scale_.margin() * 0.7);
  return std::move(drawing_);
}

}  // namespace assay
