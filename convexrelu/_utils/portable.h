/* What compilers spell or do differently, for all C of the package. */

#ifndef CONVEXRELU_PORTABLE_H
#define CONVEXRELU_PORTABLE_H

#include <stddef.h>

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

/* Eight sums at a time, as compilers keep the order of sums. */
static inline double product(const double *a, const double *b, ptrdiff_t n)
{
    double sums[8] = {0}, sum = 0;
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++) sum += a[i] * b[i];
    return sum + ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

#endif
