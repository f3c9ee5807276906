/* Branch and bound on boxes in C: the steps that corner_bound.py derives and that corner_tables.py takes in NumPy.

   One call explores one box, depth first. A node copies the samples whose kinks cross its box, so that the work falls
   with the box. Sums run over eight lanes: compilers may use vector instructions without changing their order. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../../_utils/portable.h"

/* As in corner_bound.py and corner_tables.py. */
#define CHORD_STEPS 2
#define POINT_STEPS 3
#define PASSES 3
#define SHRINKAGE 0.3
#define ABOVE (1 + 1e-9)
#define IMPROVEMENTS 5
#define SECTIONS 5
#define STEEPNESS 10
#define SPREAD 1.5

#define LANES 8
#define MAX_RANK 32   /* of the arrays on the stack; proofs of that rank are out of reach */
#define OVERHEAD 1000 /* work of a box without any kinks */
#define MAX_LEVELS 90 /* of nodes that are open at once; deeper boxes wait for another call */
#define MAX_ARENA ((size_t)1 << 27)

/* Samples of one sign of v: columns of x, weights |v_i|; and the intervals of t_i = x_i . u on the box. */
typedef struct {
    ptrdiff_t n, stride; /* the stride is a multiple of LANES; what is beyond n has no weight */
    double *x, *v, *low, *high, *slope, *t;
} Kinks;

typedef struct {
    double lower[MAX_RANK], upper[MAX_RANK], bound;
} Box;

typedef struct {
    int rank, face, n_free, n_rest;
    double target, excess;
    double centre[MAX_RANK], half[MAX_RANK], error[MAX_RANK];
    double decided[MAX_RANK];             /* gradient of the samples without a kink in the box */
    int free[MAX_RANK], rest[MAX_RANK];   /* coordinates whose ends are enumerated, and the others */
    double rest_slope[MAX_RANK];          /* what stands for the convex kinks along the others */
    double p[MAX_RANK];
    double from[MAX_RANK], to[MAX_RANK];  /* what clipping leaves of each side, in [-1, 1] */
    double value, witness[MAX_RANK];
    double *table, *current, *other, *scratch;
    Kinks up, down;
} Node;

typedef struct {
    int rank, face, n_free, stopped;
    double target, narrowest, work, max_work, stuck, value, witness[MAX_RANK];
    ptrdiff_t n_nodes, n_open, max_open;
    double *open, *arena_end;
    Node node;
} Search;

/* ---- sums and maxima ---- */

INLINE ptrdiff_t padded(ptrdiff_t n) { return (n + LANES - 1) / LANES * LANES; }
INLINE double clamp(double x, double low, double high) { return x < low ? low : (x > high ? high : x); }
INLINE double relu(double t) { return t > 0 ? t : 0; }

INLINE double dot(const double *restrict a, const double *restrict b, ptrdiff_t n)
{
    double sum[LANES] = {0}, all = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) sum[l] += a[i + l] * b[i + l];
    for (int l = 0; l < LANES; l++) all += sum[l];
    for (; i < n; i++) all += a[i] * b[i];
    return all;
}

INLINE double total(const double *restrict a, ptrdiff_t n)
{
    double sum[LANES] = {0}, all = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) sum[l] += a[i + l];
    for (int l = 0; l < LANES; l++) all += sum[l];
    for (; i < n; i++) all += a[i];
    return all;
}

/* The largest of sign (a + step (b - a)); without b, of sign a. */
INLINE double extreme(const double *restrict a, const double *restrict b, double step, double sign, ptrdiff_t n)
{
    double most[LANES], best = sign * (b ? a[0] + step * (b[0] - a[0]) : a[0]);
    ptrdiff_t i = 0;
    for (int l = 0; l < LANES; l++) most[l] = best;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const double x = sign * (b ? a[i + l] + step * (b[i + l] - a[i + l]) : a[i + l]);
            most[l] = x > most[l] ? x : most[l];
        }
    for (int l = 0; l < LANES; l++) best = most[l] > best ? most[l] : best;
    for (; i < n; i++) {
        const double x = sign * (b ? a[i] + step * (b[i] - a[i]) : a[i]);
        best = x > best ? x : best;
    }
    return best;
}
INLINE double largest(const double *a, ptrdiff_t n) { return extreme(a, NULL, 0, 1, n); }

INLINE double length(const double *u, int rank)
{
    double sum = 0;
    for (int j = 0; j < rank; j++) sum += u[j] * u[j];
    return sqrt(sum);
}

/* ---- the samples on a box ---- */

INLINE void project(const Kinks *k, const double *u, int rank)
{
    double *restrict t = k->t;
    memset(t, 0, sizeof(double) * k->stride);
    for (int j = 0; j < rank; j++) {
        const double *restrict x = k->x + j * k->stride;
        for (ptrdiff_t i = 0; i < k->stride; i++) t[i] += u[j] * x[i];
    }
}

/* Sum of v relu(t) after `project`. */
INLINE double value_of(const Kinks *k)
{
    double sum[LANES] = {0}, all = 0;
    const double *restrict t = k->t, *restrict v = k->v;
    for (ptrdiff_t i = 0; i < k->stride; i += LANES)
        for (int l = 0; l < LANES; l++) sum[l] += v[i + l] * relu(t[i + l]);
    for (int l = 0; l < LANES; l++) all += sum[l];
    return all;
}

/* Sums of t x after t has been set. */
INLINE void combine(const Kinks *k, double *out, int rank)
{
    for (int j = 0; j < rank; j++) out[j] = dot(k->t, k->x + j * k->stride, k->stride);
}

INLINE Kinks lay_out(double **arena, ptrdiff_t n, int rank)
{
    Kinks k = {0};
    k.n = n;
    k.stride = padded(n);
    k.x = *arena;
    k.v = k.x + k.stride * rank;
    k.low = k.v + k.stride;
    k.high = k.low + k.stride;
    k.slope = k.high + k.stride;
    k.t = k.slope + k.stride;
    *arena = k.t + k.stride;
    return k;
}

INLINE void intervals(const Kinks *from, const Node *q, double *restrict low, double *restrict high)
{
    memset(low, 0, sizeof(double) * from->stride);
    memset(high, 0, sizeof(double) * from->stride);
    for (int j = 0; j < q->rank; j++) {
        const double *restrict x = from->x + j * from->stride;
        const double centre = q->centre[j], half = q->half[j];
        for (ptrdiff_t i = 0; i < from->stride; i++) {
            low[i] += centre * x[i];
            high[i] += half * fabs(x[i]);
        }
    }
    for (ptrdiff_t i = 0; i < from->stride; i++) {
        const double middle = low[i], half = high[i];
        low[i] = middle - half;
        high[i] = middle + half;
    }
}

/* Copy the samples whose kink crosses the box; the gradient of those that are active on it is added to `decided`. */
INLINE void keep_crossing(const Kinks *from, Kinks *to, double *decided, double sign, int rank)
{
    const ptrdiff_t stride = to->stride;
    ptrdiff_t kept = 0;
    for (ptrdiff_t i = 0; i < from->n; i++) {
        if (to->low[i] < 0 && to->high[i] > 0) {
            for (int j = 0; j < rank; j++) to->x[j * stride + kept] = from->x[j * from->stride + i];
            to->v[kept] = from->v[i];
            to->low[kept] = to->low[i];
            to->high[kept++] = to->high[i];
        } else if (to->low[i] >= 0)
            for (int j = 0; j < rank; j++) decided[j] += sign * from->v[i] * from->x[j * from->stride + i];
    }
    to->n = kept;
    to->stride = padded(kept);
    for (int j = 0; j < rank; j++) {
        memmove(to->x + j * to->stride, to->x + j * stride, sizeof(double) * kept);
        for (ptrdiff_t i = kept; i < to->stride; i++) to->x[j * to->stride + i] = 0;
    }
    for (ptrdiff_t i = kept; i < to->stride; i++) {
        to->v[i] = 0;
        to->low[i] = -1;
        to->high[i] = 1;
    }
}

/* ---- chords ---- */

/* Errors of the chords, and half those of the slopes, across unit sides. */
INLINE void find_errors(Node *q)
{
    for (int j = 0; j < q->rank; j++) q->error[j] = 0;
    for (int part = 0; part < 2; part++) {
        const Kinks *k = part ? &q->down : &q->up;
        const double factor = part ? 0.5 : 1;
        for (ptrdiff_t i = 0; i < k->stride; i++) k->t[i] = factor * k->v[i] * k->slope[i] * (1 - k->slope[i]);
        for (int j = 0; j < q->rank; j++) {
            const double *restrict x = k->x + j * k->stride, *restrict t = k->t;
            double sum[LANES] = {0};
            for (ptrdiff_t i = 0; i < k->stride; i += LANES)
                for (int l = 0; l < LANES; l++) sum[l] += t[i + l] * fabs(x[i + l]);
            for (int l = 0; l < LANES; l++) q->error[j] += sum[l];
        }
    }
}

/* The linear bound: its excess; leaves the best p, and the slopes of both kinds. */
INLINE double bound_by_chords(Node *q, const Box *box)
{
    const int rank = q->rank;
    const Kinks *up = &q->up, *down = &q->down;
    double g[MAX_RANK], u[MAX_RANK], linear[MAX_RANK], of_slopes[MAX_RANK], best = INFINITY, constant = 0;
    for (ptrdiff_t i = 0; i < up->stride; i++) {
        up->slope[i] = up->high[i] / (up->high[i] - up->low[i]);
        up->t[i] = up->slope[i] * up->v[i];
    }
    constant -= dot(up->t, up->low, up->stride);
    combine(up, g, rank);
    for (int j = 0; j < rank; j++) g[j] += q->decided[j];
    for (ptrdiff_t i = 0; i < down->stride; i++) down->slope[i] = down->high[i] / (down->high[i] - down->low[i]);
    for (int step = 0; step < CHORD_STEPS && !(best <= 0); step++) {
        if (step) {
            const double size = length(u, rank);
            project(down, u, rank);
            double here = constant - value_of(down) - q->target * size;
            for (int j = 0; j < rank; j++) here += g[j] * u[j];
            if (here > 0) break; /* no slopes close the box with these chords */
            for (ptrdiff_t i = 0; i < down->stride; i++)
                down->slope[i] = clamp(down->slope[i] + down->t[i] / (size * (down->high[i] - down->low[i])), 0, 1);
        }
        for (ptrdiff_t i = 0; i < down->stride; i++) down->t[i] = down->slope[i] * down->v[i];
        combine(down, of_slopes, rank);
        for (int j = 0; j < rank; j++) linear[j] = g[j] - of_slopes[j];
        memcpy(u, q->centre, sizeof u);
        for (int k = 0; k < POINT_STEPS; k++) { /* to where (linear . u + constant) / |u| is large */
            const double scale = length(u, rank) / q->target;
            for (int j = 0; j < rank; j++) {
                const double slope = j == q->face ? linear[j] + constant / box->lower[j] : linear[j];
                u[j] = clamp(scale * slope, box->lower[j], box->upper[j]);
            }
        }
        const double scale = q->target / length(u, rank);
        double excess = constant;
        for (int j = 0; j < rank; j++) {
            const double slope = linear[j] - scale * u[j];
            excess += slope * q->centre[j] + fabs(slope) * q->half[j];
        }
        if (excess < best) {
            best = excess;
            for (int j = 0; j < rank; j++) q->p[j] = of_slopes[j] + scale * u[j];
        }
    }
    return best;
}

/* ---- corners ---- */

/* Enumerate the ends of the coordinates with the largest errors. */
INLINE void choose_free(Node *q, int n_free)
{
    int taken[MAX_RANK] = {0};
    taken[q->face] = 1;
    q->n_free = q->n_rest = 0;
    for (int k = 0; k < q->rank - 1; k++) {
        int best = -1;
        for (int j = 0; j < q->rank; j++) {
            if (taken[j]) continue;
            if (best < 0 || (q->rank - 1 > n_free && q->error[j] * q->half[j] > q->error[best] * q->half[best])) best = j;
        }
        taken[best] = 1;
        if (q->n_free < n_free) q->free[q->n_free++] = best;
        else q->rest[q->n_rest++] = best;
    }
}

/* base plus the steps at the upper ends: bit a of an index stands for step a. */
INLINE void by_doubling(double *restrict t, int n_steps, double base, const double *steps)
{
    t[0] = base;
    for (int a = 0; a < n_steps; a++) {
        const ptrdiff_t n = (ptrdiff_t)1 << a;
        for (ptrdiff_t s = 0; s < n; s++) t[n + s] = t[s] + steps[a];
    }
}

/* t of sample i at the corners of the first coordinates, and what the last two add. */
INLINE void spread_out(const Node *q, ptrdiff_t i, int inner, double *line, double *shift)
{
    double steps[MAX_RANK];
    for (int a = 0; a < q->n_free; a++)
        steps[a] = 2 * q->half[q->free[a]] * q->up.x[q->free[a] * q->up.stride + i];
    by_doubling(line, inner, q->up.t[i], steps);
    by_doubling(shift, q->n_free - inner, 0, steps + inner);
}

/* P without its decided part at all corners: two samples at a time, so that the table is read half as often. */
INLINE void tabulate(Node *q)
{
    const int inner = q->n_free > 2 ? q->n_free - 2 : q->n_free;
    const ptrdiff_t n = (ptrdiff_t)1 << q->n_free, m = (ptrdiff_t)1 << inner;
    const Kinks *k = &q->up;
    double *restrict first = q->scratch, *restrict second = q->scratch + m;
    double corner[MAX_RANK];
    memcpy(corner, q->centre, sizeof corner);
    for (int a = 0; a < q->n_free; a++) corner[q->free[a]] -= q->half[q->free[a]];
    project(k, corner, q->rank);
    memset(q->table, 0, sizeof(double) * n);
    for (ptrdiff_t i = 0; i < k->n; i += 2) {
        double shift1[4], shift2[4];
        const double v1 = k->v[i], v2 = k->v[i + 1];
        spread_out(q, i, inner, first, shift1);
        spread_out(q, i + 1, inner, second, shift2);
        for (ptrdiff_t o = 0; o < n / m; o++) {
            double *restrict part = q->table + o * m;
            const double s1 = shift1[o], s2 = shift2[o];
            for (ptrdiff_t s = 0; s < m; s++) part[s] += v1 * relu(first[s] + s1) + v2 * relu(second[s] + s2);
        }
    }
}

/* The same where not all coordinates are enumerated: b_i and mu_i as in corner_bound.py. */
INLINE void tabulate_some(Node *q)
{
    const int inner = q->n_free > 2 ? q->n_free - 2 : q->n_free;
    const ptrdiff_t n = (ptrdiff_t)1 << q->n_free, m = (ptrdiff_t)1 << inner;
    const Kinks *k = &q->up;
    double *restrict line = q->scratch;
    double corner[MAX_RANK];
    memcpy(corner, q->centre, sizeof corner);
    for (int a = 0; a < q->n_free; a++) corner[q->free[a]] -= q->half[q->free[a]];
    project(k, corner, q->rank);
    memset(q->table, 0, sizeof(double) * n);
    memset(q->rest_slope, 0, sizeof q->rest_slope);
    for (ptrdiff_t i = 0; i < k->n; i++) {
        double shift[4], b = 0;
        const double v = k->v[i], mu = clamp(0.5 + SPREAD * (k->slope[i] - 0.5), 0, 1);
        spread_out(q, i, inner, line, shift);
        for (int a = 0; a < q->n_rest; a++) {
            const double x = k->x[q->rest[a] * k->stride + i];
            b += q->half[q->rest[a]] * fabs(x);
            q->rest_slope[a] += v * mu * x;
        }
        const double lift = mu * b;
        for (ptrdiff_t o = 0; o < n / m; o++) {
            double *restrict part = q->table + o * m;
            for (ptrdiff_t s = 0; s < m; s++) {
                const double t = line[s] + shift[o];
                const double above = relu(t + b) - lift, below = relu(t - b) + lift;
                part[s] += v * (above > below ? above : below);
            }
        }
    }
}

/* Slope of P(u) - p . u along a coordinate that is not enumerated, times its half side. */
INLINE double along_rest(const Node *q, const double *p, int a)
{
    const int j = q->rest[a];
    return (q->decided[j] + q->rest_slope[a] - p[j]) * q->half[j];
}

/* P(s) - p . s at the corners. */
INLINE void subtract(const Node *q, const double *p, double *restrict out)
{
    const double *restrict table = q->table;
    double base = 0, steps[MAX_RANK];
    for (int j = 0; j < q->rank; j++) base += (q->decided[j] - p[j]) * q->centre[j];
    for (int a = 0; a < q->n_rest; a++) base += fabs(along_rest(q, p, a));
    for (int a = 0; a < q->n_free; a++) {
        const double step = (q->decided[q->free[a]] - p[q->free[a]]) * q->half[q->free[a]];
        base -= step;
        steps[a] = 2 * step;
    }
    by_doubling(out, q->n_free, base, steps);
    for (ptrdiff_t s = 0; s < (ptrdiff_t)1 << q->n_free; s++) out[s] += table[s];
}

/* What lies beyond the point where the line between the largest values on both sides is negative cannot violate. */
INLINE void clip_side(Node *q, int j, double low, double high)
{
    if (high < 0 && low > 0) q->to[j] = fmin(q->to[j], (low + high) / (low - high));
    if (low < 0 && high > 0) q->from[j] = fmax(q->from[j], (low + high) / (low - high));
}

INLINE void clip(Node *q, const double *p, const double *values)
{
    double *restrict fold = q->scratch;
    const double top = largest(values, (ptrdiff_t)1 << q->n_free);
    for (int a = q->n_free - 1; a >= 0; a--) {
        const ptrdiff_t n = (ptrdiff_t)1 << a;
        clip_side(q, q->free[a], largest(values, n), largest(values + n, n));
        for (ptrdiff_t s = 0; s < n; s++) fold[s] = values[s] > values[s + n] ? values[s] : values[s + n];
        values = fold;
    }
    for (int a = 0; a < q->n_rest; a++) {
        const double across = 2 * along_rest(q, p, a);
        clip_side(q, q->rest[a], top - relu(across), top - relu(-across));
    }
}

/* Mean u of the corners with large values; returns the mean of P - p . s over them, not a number if all are alike. */
INLINE double mean_corner(Node *q, int step, double *u)
{
    const ptrdiff_t n = (ptrdiff_t)1 << q->n_free;
    double *restrict weight = q->other;
    const double *restrict values = q->current;
    const double spread = q->excess + extreme(values, NULL, 0, -1, n);
    const double threshold = q->excess - spread / (1 + 0.5 * step);
    for (ptrdiff_t s = 0; s < n; s++) weight[s] = relu(values[s] - threshold);
    const double sum = total(weight, n);
    double mean = dot(weight, values, n) / sum;
    memcpy(u, q->centre, sizeof(double) * MAX_RANK);
    for (int a = q->n_free - 1; a >= 0; a--) {
        const ptrdiff_t m = (ptrdiff_t)1 << a;
        u[q->free[a]] += q->half[q->free[a]] * (2 * total(weight + m, m) / sum - 1);
        for (ptrdiff_t s = 0; s < m; s++) weight[s] += weight[s + m];
    }
    for (int a = 0; a < q->n_rest; a++) {
        const double across = along_rest(q, q->p, a), where = clamp(2 * across / spread, -1, 1);
        u[q->rest[a]] += where * q->half[q->rest[a]];
        mean += across * where - fabs(across);
    }
    return mean;
}

/* Try u as a witness; returns N(u), and leaves t of the concave kinks. */
INLINE double try_witness(Node *q, const double *u, double size)
{
    project(&q->down, u, q->rank);
    project(&q->up, u, q->rank);
    const double concave = value_of(&q->down);
    double value = value_of(&q->up) - concave;
    for (int j = 0; j < q->rank; j++) value += q->decided[j] * u[j];
    if (value / size > q->value) {
        q->value = value / size;
        for (int j = 0; j < q->rank; j++) q->witness[j] = u[j] / size;
    }
    return concave;
}

/* Step in [0, 1] from the current table towards the other with a small maximum. */
INLINE double line_search(Node *q)
{
    const ptrdiff_t n = (ptrdiff_t)1 << q->n_free;
    double best = 0, low = 0, high = 1;
    for (int k = 0; k < SECTIONS && q->excess > 0; k++) {
        const double first = k ? low + (high - low) / 3 : 0.5, second = k ? low + 2 * (high - low) / 3 : 1;
        const double at_first = extreme(q->current, q->other, first, 1, n);
        const double at_second = extreme(q->current, q->other, second, 1, n);
        if (at_first < q->excess) { q->excess = at_first; best = first; }
        if (at_second < q->excess && q->excess > 0) { q->excess = at_second; best = second; }
        if (at_second < at_first) low = first;
        else if (k) high = second;
    }
    return best;
}

/* Move p for a few steps, and clip by every table; returns the least excess. */
INLINE void bound_by_corners(Node *q)
{
    const int rank = q->rank;
    const ptrdiff_t n = (ptrdiff_t)1 << q->n_free;
    const Kinks *down = &q->down;
    subtract(q, q->p, q->current);
    q->excess = largest(q->current, n);
    for (int step = 0; step < IMPROVEMENTS && q->excess > 0; step++) {
        double u[MAX_RANK], p[MAX_RANK];
        double mean = mean_corner(q, step, u);
        const double size = length(u, rank), concave = try_witness(q, u, size);
        for (int j = 0; j < rank; j++) mean += q->p[j] * u[j];
        if (!(mean <= concave + q->target * size)) { /* no p closes this box */
            clip(q, q->p, q->current);
            return;
        }
        for (ptrdiff_t i = 0; i < down->stride; i++)
            down->t[i] = down->v[i] * clamp(0.5 + STEEPNESS * down->t[i] / (down->high[i] - down->low[i]), 0, 1);
        combine(down, p, rank);
        for (int j = 0; j < rank; j++) p[j] += q->target * u[j] / size;
        subtract(q, p, q->other);
        const double move = line_search(q);
        clip(q, p, q->other);
        for (int j = 0; j < rank; j++) q->p[j] += move * (p[j] - q->p[j]);
        if (q->n_rest) {
            subtract(q, q->p, q->current);
            q->excess = largest(q->current, n);
        } else {
            double *restrict current = q->current;
            const double *restrict other = q->other;
            for (ptrdiff_t s = 0; s < n; s++) current[s] += move * (other[s] - current[s]);
        }
        if (q->excess > 0) clip(q, q->p, q->current);
    }
}

/* ---- nodes ---- */

/* Narrow the box to what clipping has left, rounded outwards; returns the logarithm by which its volume fell. */
INLINE double narrow(const Node *q, Box *box)
{
    double gained = 0;
    for (int j = 0; j < q->rank; j++) {
        if (q->from[j] > -1) box->lower[j] = fmax(box->lower[j], nextafter(q->centre[j] + q->half[j] * q->from[j], -INFINITY));
        if (q->to[j] < 1) box->upper[j] = fmin(box->upper[j], nextafter(q->centre[j] + q->half[j] * q->to[j], INFINITY));
        gained -= log(fmax(0.5 * (q->to[j] - q->from[j]), 1e-15));
    }
    return gained;
}

INLINE int is_empty(const Node *q)
{
    for (int j = 0; j < q->rank; j++)
        if (q->from[j] > q->to[j]) return 1;
    return 0;
}

/* Whether the box is closed. Otherwise it may be narrower, and its kinks are in search->node. */
DISPATCHED static int examine(Search *search, const Kinks *up, const Kinks *down, Box *box, double **arena)
{
    Node *q = &search->node;
    const int rank = search->rank;
    q->rank = rank;
    q->face = search->face;
    q->target = search->target;
    q->up = lay_out(arena, up->n, rank);
    q->down = lay_out(arena, down->n, rank);
    for (int pass = 0; pass < PASSES; pass++) {
        for (int j = 0; j < rank; j++) {
            q->centre[j] = 0.5 * (box->lower[j] + box->upper[j]);
            q->half[j] = fmax(box->upper[j] - q->centre[j], q->centre[j] - box->lower[j]);
            q->from[j] = -1;
            q->to[j] = 1;
        }
        intervals(up, q, q->up.low, q->up.high);
        intervals(down, q, q->down.low, q->down.high);
        search->work += (double)(up->n + down->n) * rank;
        keep_crossing(up, &q->up, q->decided, 1, rank);
        keep_crossing(down, &q->down, q->decided, -1, rank);
        up = &q->up;
        down = &q->down;
        const double by_chords = bound_by_chords(q, box);
        if (by_chords <= 0) return 1;
        find_errors(q);
        choose_free(q, search->n_free);
        if (q->n_rest) tabulate_some(q);
        else tabulate(q);
        search->work += (double)(q->up.n + 1) * (double)((ptrdiff_t)1 << q->n_free);
        bound_by_corners(q);
        if (q->excess <= 0 || is_empty(q)) return 1;
        box->bound = fmin(box->bound, q->target + fmin(q->excess, by_chords));
        if (!(narrow(q, box) > SHRINKAGE)) break;
    }
    return 0;
}

/* The side with the largest error; without any error, the widest. -1 if all are too narrow. */
static int side_to_halve(const Search *search, const Box *box)
{
    double most = 0;
    int best = -1;
    for (int j = 0; j < search->rank; j++) {
        const double side = box->upper[j] - box->lower[j], error = search->node.error[j];
        const double score = error > 0 ? error * side : 1e-300 * side;
        if (side > 2 * search->narrowest && score > most) {
            most = score;
            best = j;
        }
    }
    return best;
}

static void leave_open(Search *search, const Box *box)
{
    double *to = search->open + search->n_open++ * (2 * search->rank + 1);
    memcpy(to, box->lower, sizeof(double) * search->rank);
    memcpy(to + search->rank, box->upper, sizeof(double) * search->rank);
    to[2 * search->rank] = box->bound;
}

static void visit(Search *search, const Kinks *up, const Kinks *down, const double *decided, const Box *parent, double *arena,
                  int depth)
{
    Node *q = &search->node;
    Box box = *parent;
    const ptrdiff_t needed = (padded(up->n) + padded(down->n)) * (search->rank + 5);
    if (search->work >= search->max_work || depth >= MAX_LEVELS || needed > search->arena_end - arena) search->stopped = 1;
    if (search->stopped) {
        leave_open(search, &box);
        return;
    }
    search->n_nodes++;
    search->work += OVERHEAD;
    memcpy(q->decided, decided, sizeof q->decided);
    q->value = search->value;
    const int closed = examine(search, up, down, &box, &arena);
    if (q->value > search->value) {
        search->value = q->value;
        memcpy(search->witness, q->witness, sizeof q->witness);
        if (search->value > ABOVE * search->target) search->stopped = 1;
    }
    if (closed) return;
    const int across = side_to_halve(search, &box);
    if (across < 0) {
        search->stuck = fmax(search->stuck, box.bound);
        return;
    }
    const Kinks left_up = q->up, left_down = q->down;
    double left_decided[MAX_RANK];
    memcpy(left_decided, q->decided, sizeof left_decided);
    Box half = box;
    half.upper[across] = box.lower[across] = 0.5 * (box.lower[across] + box.upper[across]);
    visit(search, &left_up, &left_down, left_decided, &half, arena, depth + 1);
    visit(search, &left_up, &left_down, left_decided, &box, arena, depth + 1);
}

/* 0, or -1 without memory. */
static int run(Search *search, const Kinks *up, const Kinks *down)
{
    const int rank = search->rank;
    const size_t table = ((size_t)1 << search->n_free) + LANES;
    const size_t level = (size_t)(up->stride + down->stride) * (rank + 5) + LANES;
    size_t levels = MAX_ARENA / level;
    levels = levels < 4 ? 4 : (levels > MAX_LEVELS ? MAX_LEVELS : levels);
    double *arena = malloc(sizeof(double) * level * levels), *tables = malloc(sizeof(double) * 4 * table);
    const int failed = !arena || !tables;
    if (!failed) {
        const double decided[MAX_RANK] = {0};
        Box box;
        memcpy(box.lower, search->open, sizeof(double) * rank);
        memcpy(box.upper, search->open + rank, sizeof(double) * rank);
        box.bound = search->open[2 * rank];
        search->node.table = tables;
        search->node.current = tables + table;
        search->node.other = tables + 2 * table;
        search->node.scratch = tables + 3 * table;
        search->arena_end = arena + level * levels;
        visit(search, up, down, decided, &box, arena, 0);
    }
    free(arena);
    free(tables);
    return failed ? -1 : 0;
}

PyDoc_STRVAR(explore_doc,
"explore(up, up_sizes, down, down_sizes, n_up, n_down, rank, face, n_free, target, narrowest, max_work, boxes, outcome)\n"
"--\n\n"
"Branch on one box: see convexrelu.oracles.bounds.compiled.\n\n"
"up, down: columns of samples with positive and negative v, padded to multiples of eight; *_sizes: their |v|.\n"
"boxes: rows (lower, upper, bound), the first one on entry and the open ones on return.\n"
"outcome: numbers of open boxes and of nodes, work, bound of boxes too narrow to be halved, best value, witness.\n"
"Returns None; raises MemoryError.");

static PyObject *explore(PyObject *self, PyObject *args)
{
    Py_buffer up_rows, up_sizes, down_rows, down_sizes, boxes, outcome;
    Search *search = calloc(1, sizeof(Search));
    Kinks up = {0}, down = {0};
    int failed;
    (void)self;
    if (!search) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "y*y*y*y*nniiidddw*w*", &up_rows, &up_sizes, &down_rows, &down_sizes, &up.n, &down.n,
                          &search->rank, &search->face, &search->n_free, &search->target, &search->narrowest,
                          &search->max_work, &boxes, &outcome)) {
        free(search);
        return NULL;
    }
    up.stride = padded(up.n);
    down.stride = padded(down.n);
    up.x = up_rows.buf;
    up.v = up_sizes.buf;
    down.x = down_rows.buf;
    down.v = down_sizes.buf;
    search->open = boxes.buf;
    search->stuck = -INFINITY;
    Py_BEGIN_ALLOW_THREADS
    failed = run(search, &up, &down);
    Py_END_ALLOW_THREADS
    if (!failed) {
        double *out = outcome.buf;
        out[0] = (double)search->n_open;
        out[1] = (double)search->n_nodes;
        out[2] = search->work;
        out[3] = search->stuck;
        out[4] = search->value;
        memcpy(out + 5, search->witness, sizeof(double) * search->rank);
    }
    free(search);
    PyBuffer_Release(&up_rows);
    PyBuffer_Release(&up_sizes);
    PyBuffer_Release(&down_rows);
    PyBuffer_Release(&down_sizes);
    PyBuffer_Release(&boxes);
    PyBuffer_Release(&outcome);
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"explore", explore, METH_VARARGS, explore_doc}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_corners", "Branch and bound on boxes in C.", -1, methods};

PyMODINIT_FUNC PyInit__corners(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made) {
        PyModule_AddIntConstant(made, "MAX_RANK", MAX_RANK);
        PyModule_AddIntConstant(made, "MAX_OPEN", MAX_LEVELS + 2);
    }
    return made;
}
