#pragma once

/// Marks functions that are compiled for the host and for the CUDA device from one source.
#ifdef __CUDACC__
#define ASSAY_HD __host__ __device__
#else
#define ASSAY_HD
#endif
