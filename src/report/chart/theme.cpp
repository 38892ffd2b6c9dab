#include "report/chart/theme.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace assay {

namespace {

Rgb from_hex(uint32_t value) {
  return {static_cast<double>(value >> 16 & 255) / 255, static_cast<double>(value >> 8 & 255) / 255,
          static_cast<double>(value & 255) / 255};
}

// In the order of Ink; the colours of compare_q's charts.
constexpr uint32_t kLight[kFixedInks] = {0xffffff, 0xeceef2, 0xc4c8d0, 0x20242b,
                                         0x16191e, 0xffffff, 0x5f6670, 0x5f6670};
constexpr uint32_t kDark[kFixedInks] = {0x15171c, 0x1f2329, 0x4b515c, 0xe6e8eb, 0xf1f3f5, 0x303238, 0x9aa0aa, 0xb9bec6};

// tab10.
constexpr uint32_t kSeries[] = {0x1f77b4, 0xff7f0e, 0x2ca02c, 0xd62728, 0x9467bd,
                                0x8c564b, 0xe377c2, 0x7f7f7f, 0xbcbd22, 0x17becf};
constexpr int kNamed = std::size(kSeries);

Rgb from_hue(double hue, double saturation, double lightness) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue * 12, 12.0);
    const double a = saturation * std::min(lightness, 1 - lightness);
    return lightness - a * std::clamp(std::min(k - 3, 9 - k), -1.0, 1.0);
  };
  return {channel(0), channel(8), channel(4)};
}

/// Beyond the ten: hues a golden angle apart never repeat.
Rgb series_rgb(int series) {
  if (series < kNamed) return from_hex(kSeries[series]);
  constexpr double kGolden = 0.618033988749895;
  return from_hue(std::fmod(0.05 + (series - kNamed) * kGolden, 1.0), 0.62, series % 2 == 0 ? 0.42 : 0.6);
}

double luminance(const Rgb& c) {
  const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  return 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);
}

Rgb mixed(const Rgb& a, const Rgb& b, double share) {
  return {a.r + (b.r - a.r) * share, a.g + (b.g - a.g) * share, a.b + (b.b - a.b) * share};
}

}  // namespace

double contrast(const Rgb& a, const Rgb& b) {
  const double one = luminance(a), other = luminance(b);
  return (std::max(one, other) + 0.05) / (std::min(one, other) + 0.05);
}

Rgb rgb(const Color& color, bool dark) {
  const auto fixed = [&](Ink ink) { return from_hex((dark ? kDark : kLight)[static_cast<int>(ink)]); };
  if (color.ink == Ink::series) return series_rgb(color.series);
  if (color.ink != Ink::series_text) return fixed(color.ink);
  const Rgb hue = series_rgb(color.series), end = dark ? Rgb{1, 1, 1} : Rgb{0, 0, 0};
  double share = 0;
  while (share < 1 && contrast(mixed(hue, end, share), fixed(Ink::axes)) < 4.5) share += 0.05;
  return mixed(hue, end, share);
}

std::string hex(const Rgb& c) {
  const auto byte = [](double v) { return static_cast<int>(std::lround(std::clamp(v, 0.0, 1.0) * 255)); };
  return fmt::format("#{:02x}{:02x}{:02x}", byte(c.r), byte(c.g), byte(c.b));
}

}  // namespace assay
