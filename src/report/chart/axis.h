#pragma once
#include <string>
#include <vector>

namespace assay {

/// Values to pixels along one side of a chart.
class Axis {
 public:
  /// Values from `low` to `high` (low <= high) on pixels from `begin` to `end`, with a margin on both sides. A
  /// logarithmic axis needs low > 0.
  Axis(double low, double high, double begin, double end, bool logarithmic, double margin);

  double at(double value) const;
  bool logarithmic() const { return log_; }
  double low() const;
  double high() const;

  struct Tick {
    double value;
    std::string text;
  };
  /// Round values, about one for each `spacing` pixels.
  std::vector<Tick> ticks(double spacing) const;

 private:
  std::vector<Tick> linear_ticks(double most) const;
  std::vector<Tick> log_ticks(double most) const;

  double low_, high_;  ///< log10 of them on a logarithmic axis
  double begin_, end_;
  bool log_;
};

}  // namespace assay
