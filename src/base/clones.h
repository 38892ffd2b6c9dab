#pragma once

// A function marked ASSAY_CLONES is compiled for each of these instruction sets and chosen when the program starts.
// Sanitizers run before the choice can be made, so they get the baseline only.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define ASSAY_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ASSAY_CLONES
#endif
/// For what such a function calls, so that it is compiled with it.
#define ASSAY_INLINE inline __attribute__((always_inline))
