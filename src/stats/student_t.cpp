#include "stats/student_t.h"

#include <cmath>

#include "base/error.h"

namespace assay {

namespace {

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by the modified Lentz method.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr double kPrecision = 1e-16;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double value = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double step = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      step = c * d;
      value *= step;
    }
    if (std::abs(step - 1) < kPrecision) break;
  }
  return value;
}

/// Regularized incomplete beta function I_x(a, b), given x and 1 - x without cancellation.
double incomplete_beta(double a, double b, double x, double one_minus_x) {
  if (x <= 0) return 0;
  if (one_minus_x <= 0) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(one_minus_x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, one_minus_x) / b;
}

}  // namespace

double t_two_sided_p(double t, int64_t df) {
  ASSAY_CHECK(df > 0);
  if (std::isnan(t)) return NAN;
  if (std::isinf(t)) return 0;
  const double n = static_cast<double>(df);
  return incomplete_beta(n / 2, 0.5, n / (n + t * t), t * t / (n + t * t));
}

double t_quantile(double p, int64_t df) {
  ASSAY_CHECK(p >= 0.5 && p < 1 && df > 0);
  const double tails = 2 * (1 - p);
  double low = 0, high = 1;
  while (t_two_sided_p(high, df) > tails) high *= 2;
  // Bisection down to neighbouring doubles: about 60 steps, and no derivative that could go wrong.
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (t_two_sided_p(middle, df) > tails ? low : high) = middle;
  }
}

}  // namespace assay
