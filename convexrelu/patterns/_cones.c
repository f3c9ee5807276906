/* Projections on cones in C: what the search of cone_projection.py does in torch, one cone after the other.

   The steps are the same: least squares over the multipliers of the rows that are held, by a Cholesky factor and one
   refinement, and the row that is violated most. Sums have another order, so that results differ by rounding. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../_utils/portable.h"

#define LANES 32 /* rows together, four registers */

typedef struct {
    ptrdiff_t n, d;         /* rows; n_padded of them, a multiple of LANES, in columns */
    const double *normals;  /* (n, d) */
    const double *columns;  /* (d, n_padded), zeros at the end */
    ptrdiff_t n_padded;
    int64_t most;           /* searches for a violated row, for each cone */
    double violation;       /* below which a product counts as zero, relative to the length of the point */
} Cones;

/* One cone; of the d slots, those that are held have a row. */
typedef struct {
    const uint8_t *inside; /* (n) */
    const double *z;
    int64_t *row;
    uint8_t *held;
    double *multiplier, *p;
    /* Of the k rows that are held: slots, normals, products of these, their factor, right-hand sides. */
    ptrdiff_t k, *slot;
    double *normal, *gram, *factor, *wanted, *solved, *rest, *point;
} Cone;

static inline double length_of(const double *a, ptrdiff_t n)
{
    return sqrt(product(a, a, n));
}

/* Append the row of a slot: its normal into the cone, and the products with the others. */
DISPATCHED
static void append(const Cones *c, Cone *o, ptrdiff_t slot)
{
    const ptrdiff_t d = c->d, k = o->k++;
    const double sign = o->inside[o->row[slot]] ? 1 : -1, *normal = c->normals + o->row[slot] * d;
    o->slot[k] = slot;
    for (ptrdiff_t i = 0; i < d; i++) o->normal[k * d + i] = sign * normal[i];
    for (ptrdiff_t j = 0; j <= k; j++)
        o->gram[k * d + j] = o->gram[j * d + k] = product(o->normal + k * d, o->normal + j * d, d);
    o->wanted[k] = -product(o->normal + k * d, o->z, d);
}

/* Leave out those whose slots are not held any more. */
static void compress(const Cones *c, Cone *o)
{
    const ptrdiff_t d = c->d;
    ptrdiff_t kept = 0;
    for (ptrdiff_t k = 0; k < o->k; k++) {
        if (!o->held[o->slot[k]]) continue;
        if (kept < k) {
            o->slot[kept] = o->slot[k];
            o->wanted[kept] = o->wanted[k];
            memcpy(o->normal + kept * d, o->normal + k * d, sizeof(double) * d);
            memcpy(o->gram + kept * d, o->gram + k * d, sizeof(double) * o->k);
            for (ptrdiff_t j = 0; j < o->k; j++) o->gram[j * d + kept] = o->gram[j * d + k];
        }
        kept++;
    }
    o->k = kept;
}

/* Solve with the factor, in place. */
static void substitute(const double *factor, double *x, ptrdiff_t k, ptrdiff_t d)
{
    for (ptrdiff_t i = 0; i < k; i++) x[i] = (x[i] - product(factor + i * d, x, i)) / factor[i * d + i];
    for (ptrdiff_t i = k - 1; i >= 0; i--) {
        x[i] /= factor[i * d + i];
        for (ptrdiff_t j = 0; j < i; j++) x[j] -= factor[i * d + j] * x[i];
    }
}

/* point = normals' x */
static void combine(const Cones *c, const Cone *o, const double *x, double *point)
{
    memset(point, 0, sizeof(double) * c->d);
    for (ptrdiff_t k = 0; k < o->k; k++)
        for (ptrdiff_t i = 0; i < c->d; i++) point[i] += x[k] * o->normal[k * c->d + i];
}

/* The multipliers that make the held rows zero; false where rows depend on each other. */
DISPATCHED
static int least_squares(const Cones *c, Cone *o)
{
    const ptrdiff_t d = c->d, n = o->k;
    double *l = o->factor;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j <= i; j++) {
            const double rest = o->gram[i * d + j] - product(l + i * d, l + j * d, j);
            if (i == j && !(rest > 0)) return 0;
            l[i * d + j] = i == j ? sqrt(rest) : rest / l[j * d + j];
        }
    memcpy(o->solved, o->wanted, sizeof(double) * n);
    substitute(l, o->solved, n, d);
    /* The normal equations square the condition number; one refinement restores accuracy. */
    combine(c, o, o->solved, o->point);
    for (ptrdiff_t k = 0; k < n; k++) o->rest[k] = o->wanted[k] - product(o->normal + k * d, o->point, d);
    substitute(l, o->rest, n, d);
    for (ptrdiff_t k = 0; k < n; k++) {
        o->solved[k] += o->rest[k];
        if (!isfinite(o->solved[k])) return 0;
    }
    return 1;
}

static void move(const Cones *c, Cone *o, const double *multipliers)
{
    combine(c, o, multipliers, o->point);
    for (ptrdiff_t i = 0; i < c->d; i++) o->p[i] = o->z[i] + o->point[i];
    for (ptrdiff_t k = 0; k < o->k; k++) o->multiplier[o->slot[k]] = multipliers[k];
}

/* Multipliers of the rows that are held from before; those with negative ones are released. */
static void begin(const Cones *c, Cone *o)
{
    o->k = 0;
    for (ptrdiff_t slot = 0; slot < c->d; slot++) {
        o->multiplier[slot] = 0;
        if (o->held[slot]) append(c, o, slot);
    }
    memcpy(o->p, o->z, sizeof(double) * c->d);
    while (o->k) {
        const int sound = least_squares(c, o);
        const ptrdiff_t before = o->k;
        for (ptrdiff_t k = 0; k < before; k++) o->held[o->slot[k]] = sound && o->solved[k] >= 0;
        compress(c, o);
        if (o->k == before) {
            move(c, o, o->solved);
            return;
        }
    }
}

/* The row that is violated most, and its product with the point. */
DISPATCHED
static double worst_row(const double *columns, ptrdiff_t n, ptrdiff_t n_padded, ptrdiff_t d, const uint8_t *inside,
                        const double *p, ptrdiff_t *row)
{
    double low[LANES], where[LANES];
    for (int i = 0; i < LANES; i++) low[i] = INFINITY, where[i] = 0;
    for (ptrdiff_t first = 0; first < n; first += LANES) {
        double t[LANES] = {0};
        uint8_t side[LANES] = {0};
        memcpy(side, inside + first, n - first < LANES ? (size_t)(n - first) : LANES);
        for (ptrdiff_t k = 0; k < d; k++) {
            const double *column = columns + k * n_padded + first;
            for (int i = 0; i < LANES; i++) t[i] += column[i] * p[k];
        }
        for (int i = 0; i < LANES; i++) {
            const double value = side[i] ? t[i] : -t[i];
            const int lower = value < low[i];
            where[i] = lower ? (double)first : where[i];
            low[i] = lower ? value : low[i];
        }
    }
    int best = 0;
    for (int i = 1; i < LANES; i++)
        if (low[i] < low[best]) best = i;
    *row = (ptrdiff_t)where[best] + best;
    return low[best];
}

/* Minimise over the multipliers of the held rows, dropping rows until all are positive. */
static void settle(const Cones *c, Cone *o)
{
    double *now = o->rest + c->d;
    for (;;) {
        const int sound = least_squares(c, o);
        double step = 1;
        int falls = 0;
        for (ptrdiff_t k = 0; k < o->k; k++) now[k] = o->multiplier[o->slot[k]];
        if (!sound) { /* The new row depends on those that are held, up to rounding: it cannot be used. */
            o->held[o->slot[o->k - 1]] = 0;
            compress(c, o);
            move(c, o, now);
            return;
        }
        for (ptrdiff_t k = 0; k < o->k; k++)
            if (o->solved[k] <= 0) step = fmin(step, now[k] / fmax(now[k] - o->solved[k], DBL_MIN)), falls = 1;
        for (ptrdiff_t k = 0; k < o->k; k++) {
            const int drops = o->solved[k] <= 0 && now[k] / fmax(now[k] - o->solved[k], DBL_MIN) <= step;
            now[k] = drops ? 0 : now[k] + step * (o->solved[k] - now[k]);
            o->multiplier[o->slot[k]] = now[k];
            if (drops) o->held[o->slot[k]] = 0;
        }
        if (!falls) {
            move(c, o, now);
            return;
        }
        compress(c, o);
    }
}

/* Project z; false where a row is violated and no search for the next one is allowed. */
static int project_one(const Cones *c, Cone *o, double level)
{
    const double noise = 1e2 * DBL_EPSILON * length_of(o->z, c->d);
    begin(c, o);
    for (int64_t step = 0;; step++) {
        const double length = length_of(o->p, c->d);
        ptrdiff_t row, slot = 0;
        if (!(length > level)) return 1;
        const double worst = worst_row(c->columns, c->n, c->n_padded, c->d, o->inside, o->p, &row);
        if (!(worst < -fmax(c->violation * length, noise)) || o->k == c->d) return 1;
        if (step >= c->most) return 0;
        while (o->held[slot]) slot++;
        o->row[slot] = row;
        o->held[slot] = 1;
        o->multiplier[slot] = 0;
        append(c, o, slot);
        settle(c, o);
        /* A row that was released again was violated by rounding only. */
        if (!o->held[slot]) return 1;
    }
}

PyDoc_STRVAR(project_doc,
"project(n, d, normals, columns, inside, index, points, levels, rows, held, multipliers, found, most, violation)\n--\n\n"
"Projections of points on cones: see convexrelu.patterns.cone_projection.\n\n"
"normals: (n, d), of unit length; columns: their transpose, with zeros up to a multiple of LANES.\n"
"inside: (B, n) bytes; index: (k,) integers of 64 bits below B; points: (k, d); levels: (k,).\n"
"rows: (B, d) integers of 64 bits below n; held: (B, d) bytes; multipliers: (B, d); all three are changed at `index`.\n"
"found: (k, d), written.\n"
"most: rows that are added to a cone, at most; violation: relative product that counts as zero.\n"
"Returns how many cones would have needed more.\n"
"Raises MemoryError, and ValueError for arrays that do not fit.");

static PyObject *project(PyObject *self, PyObject *args)
{
    enum { NORMALS, COLUMNS, INSIDE, INDEX, POINTS, LEVELS, ROWS, HELD, MULTIPLIERS, FOUND, N_BUFFERS };
    Py_buffer b[N_BUFFERS];
    Cones c = {0};
    long long most;
    ptrdiff_t n_unfinished = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "nny*y*y*y*y*y*w*w*w*w*Ld", &c.n, &c.d, &b[NORMALS], &b[COLUMNS], &b[INSIDE], &b[INDEX],
                          &b[POINTS], &b[LEVELS], &b[ROWS], &b[HELD], &b[MULTIPLIERS], &b[FOUND], &most, &c.violation))
        return NULL;
    const ptrdiff_t n = c.n, d = c.d, size = sizeof(double), k = b[LEVELS].len / size;
    const ptrdiff_t n_cones = d > 0 ? b[HELD].len / d : 0;
    c.n_padded = (n + LANES - 1) / LANES * LANES;
    c.most = most;
    c.normals = b[NORMALS].buf;
    c.columns = b[COLUMNS].buf;
    int fits = n > 0 && d > 0 && b[NORMALS].len == n * d * size && b[COLUMNS].len == c.n_padded * d * size &&
               b[INSIDE].len == n_cones * n && b[INDEX].len == k * size && b[POINTS].len == k * d * size &&
               b[LEVELS].len == k * size && b[ROWS].len == n_cones * d * size && b[HELD].len == n_cones * d &&
               b[MULTIPLIERS].len == n_cones * d * size && b[FOUND].len == k * d * size;
    const int64_t *index = b[INDEX].buf, *rows = b[ROWS].buf;
    for (ptrdiff_t i = 0; fits && i < k; i++) {
        fits = index[i] >= 0 && index[i] < n_cones;
        for (ptrdiff_t s = 0; fits && s < d; s++) fits = rows[index[i] * d + s] >= 0 && rows[index[i] * d + s] < n;
    }
    double *memory = fits ? malloc(sizeof(double) * d * (3 * d + 5) + sizeof(ptrdiff_t) * d) : NULL;
    if (memory) {
        Cone o = {0};
        o.normal = memory;
        o.gram = o.normal + d * d;
        o.factor = o.gram + d * d;
        o.wanted = o.factor + d * d;
        o.solved = o.wanted + d;
        o.point = o.solved + d;
        o.rest = o.point + d; /* and d more */
        o.slot = (ptrdiff_t *)(o.rest + 2 * d);
        Py_BEGIN_ALLOW_THREADS
        for (ptrdiff_t i = 0; i < k; i++) {
            const ptrdiff_t cone = index[i];
            o.inside = (const uint8_t *)b[INSIDE].buf + cone * n;
            o.z = (const double *)b[POINTS].buf + i * d;
            o.row = (int64_t *)b[ROWS].buf + cone * d;
            o.held = (uint8_t *)b[HELD].buf + cone * d;
            o.multiplier = (double *)b[MULTIPLIERS].buf + cone * d;
            o.p = (double *)b[FOUND].buf + i * d;
            n_unfinished += !project_one(&c, &o, ((const double *)b[LEVELS].buf)[i]);
        }
        Py_END_ALLOW_THREADS
    }
    free(memory);
    for (int i = 0; i < N_BUFFERS; i++) PyBuffer_Release(&b[i]);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "arrays do not have the shapes or the type that are given");
        return NULL;
    }
    if (!memory) return PyErr_NoMemory();
    return PyLong_FromSsize_t(n_unfinished);
}

static PyMethodDef methods[] = {{"project", project, METH_VARARGS, project_doc}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_cones", "Projections on cones in C.", -1, methods};

PyMODINIT_FUNC PyInit__cones(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made) PyModule_AddIntConstant(made, "LANES", LANES);
    return made;
}
