#pragma once
#include <span>

namespace assay {

/// The value at (n - 1) * q of the sorted values, 0 <= q <= 1, interpolated linearly (Hyndman & Fan 1996, type 7).
double percentile(std::span<const double> sorted, double q);
/// The lower of the two middle values.
double median_lower(std::span<const double> sorted);

}  // namespace assay
