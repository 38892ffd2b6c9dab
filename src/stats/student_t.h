#pragma once
#include <cstdint>

namespace assay {

/// P(|T| >= |t|) of Student's t with df > 0 degrees of freedom.
double t_two_sided_p(double t, int64_t df);
/// The t with P(T <= t) = p, for 0.5 <= p < 1.
double t_quantile(double p, int64_t df);

}  // namespace assay
