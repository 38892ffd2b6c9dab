#pragma once
#include <cstdint>

namespace assay {

/// Starts a new measurement of the peak, where the system can do that.
void reset_peak_memory();
/// The most memory this process had resident, in bytes.
uint64_t peak_memory();

}  // namespace assay
