#pragma once

/// Marks functions that are compiled for the host and for the CUDA device from one source. Headers that also use fmt
/// need FMT_USE_CONSTEXPR=1 under nvcc, for which fmt 9 turns constexpr off.
#ifdef __CUDACC__
#define ASSAY_HD __host__ __device__
#else
#define ASSAY_HD
#endif
