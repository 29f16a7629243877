// GRADC_CLONES before a function: versions of it for wider vectors, one of which is chosen when the program is loaded.
#pragma once

// The thread sanitizer's runtime is not there yet at that time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define GRADC_CLONES __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define GRADC_CLONES
#endif
