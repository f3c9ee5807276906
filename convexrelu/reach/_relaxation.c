/* Weights for the bound of euclidean_search.py, by block coordinate ascent on its dual problem, and that bound.

   Unit vectors v_j of rank R are in the place of the signs t_j, with v_0 for the sign 1 of the row u_0 = J_0. Each step sets
   v_j to the direction in which the Lagrangian grows. Multipliers of cores grow where v violates them. Any weights and
   multipliers give a bound: only what `bound` computes from them has to be right, rounding errors included. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../_utils/portable.h"

#define RANK 8
#define CHECKED 5     /* sweeps from one bound to the next */
#define ENDS 1e-4     /* relative gain of a bound below which sweeps end */
#define LENGTH 0.07   /* of the first steps of multipliers, relative to those of Newton */
#define SHORTER 0.5   /* where steps have led to a worse bound, from which they go back */
#define MOST_BACK 3   /* times */
#define LEAST 1e-9    /* of weights, relative to their sum */
#define SHARP 1e-4    /* relative error of eigenvalues, upwards */

typedef struct {
    int m, n, d, n_cores; /* rectifiers, rows, columns, cores */
    int8_t *sign;         /* m */
    int32_t *starts, *members, *row; /* members: number of the rectifier, from one, with the sign of its wish; row of each */
    double *multipliers;
    double *u, *z, *v, *w, *h; /* n x d, d x RANK, n x RANK; weights, and half of what cores ask of each row */
    double *squares, *cosines, hv[RANK], limit, size; /* sum of h_j v_j; limit and sum of sizes of what cores ask together */
} Relaxation;

static inline void add_outer(double *z, const double *u, const double *v, int d)
{
    for (int i = 0; i < d; i++)
        for (int q = 0; q < RANK; q++) z[i * RANK + q] += u[i] * v[q];
}

/* Cores without what is decided: wishes that are met leave them, and all of a core is settled where one is not met. A wish
   that is alone cannot be met. False if the decided signs exclude each other. */
static int shrink(Relaxation *p)
{
    for (int again = 1; again;) {
        int kept = 0, size = 0;
        again = 0;
        for (int k = 0; k < p->n_cores; k++) {
            const int first = size, from = p->starts[k], to = p->starts[k + 1];
            int settled = 0;
            for (int e = from; e < to && !settled; e++) {
                const int wish = p->members[e], sign = p->sign[abs(wish) - 1];
                if (!sign) p->members[size++] = wish;
                settled = sign * wish < 0;
            }
            if (!settled && size == first) return 0;
            if (!settled && size == first + 1) {
                const int wish = p->members[first];
                p->sign[abs(wish) - 1] = wish > 0 ? -1 : 1;
                settled = again = 1;
            }
            if (settled) {
                size = first;
                continue;
            }
            p->multipliers[kept] = p->multipliers[k];
            p->starts[kept++] = first;
        }
        p->starts[kept] = size;
        p->n_cores = kept;
    }
    return 1;
}

/* The Jacobian in the middle, and the generators that are not decided. */
static void gather(Relaxation *p, const double *base, const double *generators)
{
    const int d = p->d;
    memcpy(p->u, base, sizeof(double) * d);
    p->n = 1;
    for (int j = 0; j < p->m; j++) {
        const double *g = generators + (size_t)j * d;
        if (!p->sign[j]) {
            memcpy(p->u + (size_t)p->n * d, g, sizeof(double) * d);
            p->row[j] = p->n++;
        } else
            for (int i = 0; i < d; i++) p->u[i] += p->sign[j] * g[i];
    }
    for (int j = 0; j < p->n; j++) p->squares[j] = product(p->u + (size_t)j * d, p->u + (size_t)j * d, d);
}

/* What cores ask together: 2 sum of h_j t_j <= limit for the signs t of all inputs. */
static void sum_cores(Relaxation *p)
{
    memset(p->h, 0, sizeof(double) * p->n);
    memset(p->hv, 0, sizeof(p->hv));
    p->limit = p->size = 0;
    for (int k = 0; k < p->n_cores; k++) {
        const int length = p->starts[k + 1] - p->starts[k];
        p->limit += p->multipliers[k] * (length - 2);
        p->size += p->multipliers[k] * length;
        for (int e = p->starts[k]; e < p->starts[k + 1]; e++) {
            const int wish = p->members[e];
            p->h[p->row[abs(wish) - 1]] += wish > 0 ? p->multipliers[k] / 2 : -p->multipliers[k] / 2;
        }
    }
    for (int j = 1; j < p->n; j++)
        for (int q = 0; q < RANK; q++) p->hv[q] += p->h[j] * p->v[j * RANK + q];
}

/* Four sums at a time: each waits for its last term. */
static inline void along(const Relaxation *p, int j, double *g)
{
    const double *u = p->u + (size_t)j * p->d, *z = p->z;
    double sums[4][RANK] = {{0}};
    int i = 0;
    for (; i + 4 <= p->d; i += 4)
        for (int k = 0; k < 4; k++)
            for (int q = 0; q < RANK; q++) sums[k][q] += u[i + k] * z[(i + k) * RANK + q];
    for (; i < p->d; i++)
        for (int q = 0; q < RANK; q++) sums[0][q] += u[i] * z[i * RANK + q];
    for (int q = 0; q < RANK; q++) g[q] = (sums[0][q] + sums[1][q]) + (sums[2][q] + sums[3][q]);
}

/* A unit vector; what is not to be normalised stays as it is. */
static inline double turn(double *v, const double *g)
{
    const double length = sqrt(product(g, g, RANK));
    for (int q = 0; q < RANK && length > 0; q++) v[q] = g[q] / length;
    return length;
}

static void start(Relaxation *p)
{
    double g[RANK];
    memset(p->v, 0, sizeof(double) * p->n * RANK);
    for (int j = 0; j < p->n; j++) {
        double *v = p->v + (size_t)j * RANK;
        v[0] = 1;
        along(p, j, g);
        for (int q = 0; q < RANK && j; q++) g[q] -= p->h[j] * p->v[q];
        turn(v, g);
    }
    memset(p->z, 0, sizeof(double) * p->d * RANK);
    for (int j = 0; j < p->n; j++) add_outer(p->z, p->u + (size_t)j * p->d, p->v + (size_t)j * RANK, p->d);
}

DISPATCHED
static void sweep(Relaxation *p)
{
    double g[RANK], step[RANK];
    for (int j = 0; j < p->n; j++) {
        double *v = p->v + (size_t)j * RANK;
        along(p, j, g);
        for (int q = 0; q < RANK; q++) {
            g[q] -= p->squares[j] * v[q] + (j ? p->h[j] * p->v[q] : p->hv[q]);
            step[q] = -v[q];
        }
        p->w[j] = turn(v, g) + p->squares[j];
        for (int q = 0; q < RANK; q++) step[q] += v[q];
        add_outer(p->z, p->u + (size_t)j * p->d, step, p->d);
        for (int q = 0; q < RANK && j; q++) p->hv[q] += p->h[j] * step[q];
    }
}

DISPATCHED
static void move_multipliers(Relaxation *p, double length)
{
    for (int j = 1; j < p->n; j++) p->cosines[j] = product(p->v, p->v + (size_t)j * RANK, RANK);
    for (int k = 0; k < p->n_cores; k++) {
        double violation = 2 - (p->starts[k + 1] - p->starts[k]), curvature = DBL_MIN, room = INFINITY;
        for (int e = p->starts[k]; e < p->starts[k + 1]; e++) {
            const int wish = p->members[e], j = p->row[abs(wish) - 1];
            const double cosine = p->cosines[j];
            violation += wish > 0 ? cosine : -cosine;
            curvature += fmax(1 - cosine * cosine, 0) / (2 * p->w[j]);
            room = fmin(room, p->w[j]);
        }
        const double step = fmin(fmax(length * violation / curvature, -room), room);
        p->multipliers[k] = fmax(p->multipliers[k] + step, 0); /* zero for NaN */
    }
    sum_cores(p);
}

/* Whether value * identity - a is positive definite; the lower half of a counts. */
DISPATCHED
static int is_above(const double *a, double value, int d, double *l)
{
    for (int j = 0; j < d; j++)
        for (int i = j; i < d; i++) {
            const double rest = (i == j ? value : 0) - a[i * d + j] - product(l + (size_t)i * d, l + (size_t)j * d, j);
            if (i == j && !(rest > 0)) return 0;
            l[i * d + j] = i == j ? sqrt(rest) : rest / l[j * d + j];
        }
    return 1;
}

/* A lower bound on the largest eigenvalue, by steps from the directions of z. */
static double quotient(const Relaxation *p, const double *a, double *x, double *y)
{
    const int d = p->d;
    double most = 0;
    for (int q = 0; q < RANK; q++) {
        for (int i = 0; i < d; i++) x[i] = p->z[i * RANK + q];
        for (int step = 0; step < 2; step++) {
            for (int i = 0; i < d; i++) {
                y[i] = 0;
                for (int k = 0; k <= i; k++) {
                    y[i] += a[i * d + k] * x[k];
                    if (k < i) y[k] += a[i * d + k] * x[i];
                }
            }
            most = fmax(most, product(x, y, d) / product(x, x, d)); /* no NaN */
            memcpy(x, y, sizeof(double) * d);
        }
    }
    return most;
}

/* An upper bound on the largest eigenvalue, `enough` if that is one; infinite if there are none. */
static double largest(const Relaxation *p, const double *a, double enough, double *work)
{
    const int d = p->d;
    double *l = work, *x = l + (size_t)d * d, low, high = INFINITY;
    if (enough > 0 && is_above(a, enough, d, l)) return enough;
    low = fmax(quotient(p, a, x, x + d), DBL_MIN);
    for (double by = SHARP; by < 1e9 && !isfinite(high); by *= 4) {
        const double value = low * (1 + by);
        if (is_above(a, value, d, l)) high = value;
        else low = value;
    }
    while (isfinite(high) && high > low * (1 + SHARP)) {
        const double value = low + (high - low) / 2;
        if (is_above(a, value, d, l)) high = value;
        else low = value;
    }
    return high;
}

/* Upper bound on the square of the norm, `enough` if that is one. With the weights W, of which w_0 is less than the
   limit of the cores, and the arrow matrix D = [w_0 h'; h W], the value t'Dt <= w_0 + sum of w_j + limit for the signs of
   all inputs, and U U' <= a D if a is not below the largest eigenvalue of U'D^-1 U. */
DISPATCHED
static double bound(const Relaxation *p, double enough, double *work)
{
    const int n = p->n, d = p->d;
    const double rounding = 16 * (n + d + p->n_cores + 8) * DBL_EPSILON;
    double *a = work, *x = a + (size_t)d * d, total = 0, sum = 0, cut = 0, trace = 0, size;
    for (int j = 0; j < n; j++) total += p->w[j];
    const double least = LEAST * total;
    memset(a, 0, sizeof(double) * d * d);
    memcpy(x, p->u, sizeof(double) * d);
    size = sqrt(p->squares[0]);
    for (int j = 1; j < n; j++) {
        const double w = fmax(p->w[j], least), part = p->h[j] / w, *u = p->u + (size_t)j * d;
        sum += w;
        cut += p->h[j] * part;
        trace += p->squares[j] / w;
        size += fabs(part) * sqrt(p->squares[j]);
        for (int i = 0; i < d; i++) {
            const double scaled = u[i] / w;
            x[i] -= part * u[i];
            for (int k = 0; k <= i; k++) a[i * d + k] += scaled * u[k];
        }
    }
    const double first = p->w[0], left = first - cut - rounding * (first + cut);
    const double weights = (sum + first + p->limit) + rounding * (sum + first + p->size);
    if (!(left > 0) || !(weights > 0)) return INFINITY;
    const double error = rounding * size; /* of the length of x */
    for (int i = 0; i < d; i++)
        for (int k = 0; k <= i; k++) a[i * d + k] += x[i] * x[k] / left;
    const double length = sqrt(product(x, x, d));
    trace += length * length / left;
    const double wrong = 2 * rounding * trace + (2 * length + error) * error / left;
    const double value = largest(p, a, enough / weights * (1 - rounding * d) - wrong, x + d);
    return (value * (1 + rounding * d) + wrong) * weights;
}

/* The state that a bound comes from. */
static void store(const Relaxation *p, double *to)
{
    const size_t m = p->n_cores, z = (size_t)p->d * RANK, v = (size_t)p->n * RANK;
    memcpy(to, p->multipliers, sizeof(double) * m);
    memcpy(to + m, p->z, sizeof(double) * z);
    memcpy(to + m + z, p->v, sizeof(double) * v);
    memcpy(to + m + z + v, p->w, sizeof(double) * p->n);
}

static void restore(Relaxation *p, const double *from)
{
    const size_t m = p->n_cores, z = (size_t)p->d * RANK, v = (size_t)p->n * RANK;
    memcpy(p->multipliers, from, sizeof(double) * m);
    memcpy(p->z, from + m, sizeof(double) * z);
    memcpy(p->v, from + m + z, sizeof(double) * v);
    memcpy(p->w, from + m + z + v, sizeof(double) * p->n);
    sum_cores(p);
}

/* The best bound; the state is that of it at the end, as long steps of multipliers may go past the best ones. */
static double relax(Relaxation *p, int sweeps, double enough, double *work, double *kept)
{
    double best = INFINITY, length = LENGTH;
    int back = 0;
    sum_cores(p);
    start(p);
    sum_cores(p);
    for (int s = 1; s <= sweeps; s++) {
        sweep(p);
        if (s % CHECKED == 0 || s == sweeps) {
            const double now = bound(p, enough, work), before = best;
            if (now < before) {
                best = now;
                store(p, kept);
            }
            if (best <= enough || !isfinite(best)) break;
            if (now < before) {
                if (!(now < before * (1 - ENDS))) break;
            } else {
                restore(p, kept);
                if (++back == MOST_BACK) break;
                length *= SHORTER;
            }
        }
        if (s < sweeps) move_multipliers(p, length);
    }
    if (isfinite(best)) restore(p, kept);
    return best;
}

/* What inputs wish along v_0, and how much each row weighs. */
static void describe(const Relaxation *p, double *wishes, double *weights, double *cosines)
{
    double g[RANK];
    for (int k = 0; k < p->m; k++) {
        wishes[k] = weights[k] = cosines[k] = 0;
        if (p->sign[k]) continue;
        const int j = p->row[k];
        along(p, j, g);
        cosines[k] = product(p->v, p->v + (size_t)j * RANK, RANK);
        wishes[k] = product(p->v, g, RANK) - p->h[j] - p->squares[j] * cosines[k];
        weights[k] = p->w[j];
    }
}

static int run(Relaxation *p, const double *base, const double *generators, int sweeps, double enough, double *told, double *value)
{
    const size_t m = p->m, d = p->d, most = m + 1;
    const size_t work = 2 * d * d + 4 * d, kept = p->n_cores + d * RANK + most * (RANK + 1);
    double *memory = calloc(most * (d + RANK + 4) + work + kept, sizeof(double));
    p->row = calloc(m + 1, sizeof(int32_t));
    if (memory && p->row) {
        p->u = memory, p->v = p->u + most * d, p->w = p->v + most * RANK, p->h = p->w + most, p->squares = p->h + most,
        p->cosines = p->squares + most;
        gather(p, base, generators);
        *value = relax(p, sweeps, enough, p->cosines + most, p->cosines + most + work);
        describe(p, told, told + m, told + 2 * m);
    }
    const int failed = !memory || !p->row;
    free(memory);
    free(p->row);
    return failed ? -1 : 0;
}

const char relax_doc[] =
"relax(base, generators, m, d, signs, starts, members, multipliers, n_cores, z, sweeps, enough, told)\n--\n\n"
"The bound of convexrelu.reach.euclidean_search.\n\n"
"signs: on return also those that follow from cores.\n"
"starts, members, multipliers: cores, on return without decided signs and with better multipliers.\n"
"z: where to start from, and what was reached.\n"
"told: wishes, weights and cosines of all rectifiers.\n"
"Returns the square of the bound, -1.0 where no input has the signs, and how many cores are left.";

PyObject *python_relax(PyObject *self, PyObject *args)
{
    Py_buffer base, generators, signs, starts, members, multipliers, z, told;
    Relaxation p = {0};
    int sweeps, failed = 0;
    double enough, value = -1;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*iiw*w*w*w*iw*idw*", &base, &generators, &p.m, &p.d, &signs, &starts, &members,
                          &multipliers, &p.n_cores, &z, &sweeps, &enough, &told))
        return NULL;
    p.sign = signs.buf, p.starts = starts.buf, p.members = members.buf, p.multipliers = multipliers.buf, p.z = z.buf;
    Py_BEGIN_ALLOW_THREADS
    if (shrink(&p)) failed = run(&p, base.buf, generators.buf, sweeps, enough, told.buf, &value);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&base);
    PyBuffer_Release(&generators);
    PyBuffer_Release(&signs);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&members);
    PyBuffer_Release(&multipliers);
    PyBuffer_Release(&z);
    PyBuffer_Release(&told);
    if (failed) return PyErr_NoMemory();
    return Py_BuildValue("di", value, p.n_cores);
}
