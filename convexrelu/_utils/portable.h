/* What compilers spell differently, for all C of the package. */

#ifndef CONVEXRELU_PORTABLE_H
#define CONVEXRELU_PORTABLE_H

/* A function that is compiled for several processors; the loader takes the best that there is. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define DISPATCHED __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define DISPATCHED
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#define restrict
#endif

#endif
