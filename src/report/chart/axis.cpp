#include "report/chart/axis.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {

namespace {

constexpr double kLeastSpan = 1e-12;

/// 1, 2 or 5 times a power of ten that is no less than `step`.
double round_step(double step) {
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0})
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

std::string power_text(double value) {
  return value >= 1e-4 && value < 1e7 ? fmt::format("{:.12g}", value) : fmt::format("{:.0e}", value);
}

}  // namespace

Axis::Axis(double low, double high, double begin, double end, bool logarithmic, double margin)
    : low_(logarithmic ? std::log10(low) : low),
      high_(logarithmic ? std::log10(high) : high),
      begin_(begin),
      end_(end),
      log_(logarithmic) {
  ASSAY_CHECK(low <= high && (!logarithmic || low > 0) && std::isfinite(low) && std::isfinite(high));
  const double equal = log_ ? 1e-6 : std::abs(high) * 1e-6 + kLeastSpan;
  if (high_ - low_ < equal) {  // one point, or equal ones: not stretched to noise
    const double half = log_ ? 0.05 : std::max(std::abs(high) * 0.02, kLeastSpan);
    low_ -= half;
    high_ += half;
  }
  const double span = high_ - low_;
  low_ -= span * margin;
  high_ += span * margin;
}

double Axis::at(double value) const {
  const double v = log_ ? std::log10(value) : value;
  return begin_ + (end_ - begin_) * (v - low_) / (high_ - low_);
}

double Axis::low() const {
  return log_ ? std::pow(10.0, low_) : low_;
}
double Axis::high() const {
  return log_ ? std::pow(10.0, high_) : high_;
}

std::vector<Axis::Tick> Axis::linear_ticks(double most) const {
  const double step = round_step((high_ - low_) / most);
  const int digits = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 12);
  std::vector<Tick> out;
  for (double i = std::ceil(low_ / step); i * step <= high_; ++i)
    out.push_back({i * step, fmt::format("{:.{}f}", i * step + 0.0, digits)});
  return out;
}

std::vector<Axis::Tick> Axis::log_ticks(double most) const {
  const double decades = high_ - low_;
  if (decades < 1) {  // too short for powers: round values of the plain scale
    const Axis plain(low(), high(), begin_, end_, false, 0);
    std::vector<Tick> out = plain.linear_ticks(most);
    std::erase_if(out, [](const Tick& tick) { return tick.value <= 0; });
    return out;
  }
  const double every = std::max(1.0, std::ceil(decades / most));
  const bool between = every == 1 && decades * 3 <= most;
  std::vector<Tick> out;
  for (double p = std::floor(low_); p <= high_; ++p)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, p), place = std::log10(value);
      const bool shown = factor == 1 ? std::fmod(std::abs(p), every) == 0 : between;
      if (shown && place >= low_ && place <= high_) out.push_back({value, power_text(value)});
    }
  return out;
}

std::vector<Axis::Tick> Axis::ticks(double spacing) const {
  const double most = std::max(2.0, std::floor(std::abs(end_ - begin_) / spacing));
  return log_ ? log_ticks(most) : linear_ticks(most);
}

}  // namespace assay
