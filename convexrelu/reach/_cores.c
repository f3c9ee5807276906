/* Signs that no input has, found by a simplex method on the signs alone; sign_cores.py says what for.

   Variables are z = R y, one for each row, and y itself. A decided row has sign * z >= 1, all others are free. The tableau
   gives the basic variables as sums of the others, z_B = T z_N. Rows that violate their sign leave the basis, until all are
   satisfied or one cannot be: then that row of the tableau says which signs exclude each other. Bounds come and go and the
   tableau stays, so that going on from one system to a similar one takes few pivots (Dutertre & de Moura 2006). */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../_utils/portable.h"

#define SMALLEST 1e-9   /* pivot */
#define SINGULAR 1e-13  /* pivot of an inversion */
#define SATISFIED 1e-7  /* of a bound of one */
#define EMPTY 9e-13     /* margin of signs that count as excluded: that of cells.py less what its sum is wrong by */
#define GREEDY 60       /* pivots by size; Bland's rule afterwards, which ends */
#define MOST_PIVOTS 400
#define REFRESHED 60    /* pivots until the tableau is computed afresh */

enum { EXCLUDED, POSSIBLE, UNKNOWN };

typedef struct {
    int n, d, pivots; /* rows, columns, pivots since the tableau was computed */
    const double *rows;
    double *tableau, *value; /* n x d; n + d */
    int32_t *basic, *other;
    int8_t *sign;                   /* n + d */
    double *scratch;                /* 2 d x d */
    int32_t *core, n_core;          /* rows of signs that exclude each other */
} System;

/* All cores that are found, as in _relaxation.c. */
typedef struct {
    int n, n_fixed, most, room; /* rows that are no rectifiers; how many cores and members fit */
    int32_t *starts, *members;
    double *multipliers;
} Cores;

static void evaluate(System *s)
{
    for (int i = 0; i < s->n; i++) {
        const double *t = s->tableau + (size_t)i * s->d;
        double sum = 0;
        for (int j = 0; j < s->d; j++) sum += t[j] * s->value[s->other[j]];
        s->value[s->basic[i]] = sum;
    }
}

/* The tableau from the rows: T = R_B A^-1 with the rows A of the variables that are not basic. */
static int refresh(System *s)
{
    const int d = s->d, n = s->n;
    double *a = s->scratch, *inverse = a + (size_t)d * d;
    for (int j = 0; j < d; j++)
        for (int k = 0; k < d; k++) {
            const int v = s->other[j];
            a[j * d + k] = v < n ? s->rows[(size_t)v * d + k] : (v - n == k);
            inverse[j * d + k] = j == k;
        }
    for (int c = 0; c < d; c++) {
        int p = c;
        for (int r = c + 1; r < d; r++)
            if (fabs(a[r * d + c]) > fabs(a[p * d + c])) p = r;
        if (fabs(a[p * d + c]) < SINGULAR) return 0;
        for (int k = 0; k < d && p != c; k++) {
            const double x = a[p * d + k], y = inverse[p * d + k];
            a[p * d + k] = a[c * d + k], a[c * d + k] = x;
            inverse[p * d + k] = inverse[c * d + k], inverse[c * d + k] = y;
        }
        const double scale = 1 / a[c * d + c];
        for (int k = 0; k < d; k++) a[c * d + k] *= scale, inverse[c * d + k] *= scale;
        for (int r = 0; r < d; r++) {
            const double f = a[r * d + c];
            if (r == c || f == 0) continue;
            for (int k = 0; k < d; k++) a[r * d + k] -= f * a[c * d + k], inverse[r * d + k] -= f * inverse[c * d + k];
        }
    }
    for (int i = 0; i < n; i++) {
        const int v = s->basic[i];
        double *t = s->tableau + (size_t)i * d;
        if (v >= n) {
            memcpy(t, inverse + (size_t)(v - n) * d, sizeof(double) * d);
            continue;
        }
        memset(t, 0, sizeof(double) * d);
        for (int k = 0; k < d; k++) {
            const double x = s->rows[(size_t)v * d + k];
            for (int j = 0; j < d; j++) t[j] += x * inverse[k * d + j];
        }
    }
    s->pivots = 0;
    evaluate(s);
    return 1;
}

/* Move a variable that is not basic. */
static void move(System *s, int column, double to)
{
    const double step = to - s->value[s->other[column]];
    s->value[s->other[column]] = to;
    for (int i = 0; i < s->n; i++) s->value[s->basic[i]] += step * s->tableau[(size_t)i * s->d + column];
}

DISPATCHED
static void pivot(System *s, int row, int column)
{
    const int d = s->d;
    double *chosen = s->tableau + (size_t)row * d;
    const double scale = 1 / chosen[column];
    for (int k = 0; k < d; k++) chosen[k] *= -scale;
    chosen[column] = scale;
    for (int i = 0; i < s->n; i++) {
        double *t = s->tableau + (size_t)i * d;
        const double f = t[column];
        if (i == row || f == 0) continue;
        t[column] = 0;
        for (int k = 0; k < d; k++) t[k] += f * chosen[k];
    }
    const int32_t leaves = s->basic[row];
    s->basic[row] = s->other[column];
    s->other[column] = leaves;
    if (++s->pivots >= REFRESHED && !refresh(s)) s->pivots = 0;
}

static int violated(const System *s, int bland)
{
    int row = -1;
    double most = SATISFIED;
    for (int i = 0; i < s->n; i++) {
        const int v = s->basic[i];
        const double by = 1 - s->sign[v] * s->value[v];
        if (!s->sign[v] || by <= most) continue;
        if (bland && row >= 0 && v > s->basic[row]) continue;
        row = i;
        if (!bland) most = by;
    }
    return row;
}

/* A variable whose moves help a row: free ones first, which no sign stops afterwards. */
static int helpful(const System *s, int row, int bland)
{
    const double *t = s->tableau + (size_t)row * s->d;
    const int sign = s->sign[s->basic[row]];
    int best = -1;
    for (int j = 0; j < s->d; j++) {
        const int own = s->sign[s->other[j]];
        if (fabs(t[j]) < SMALLEST || sign * own * t[j] < 0) continue;
        if (best < 0) {
            best = j;
            continue;
        }
        const int free = !own, best_free = !s->sign[s->other[best]];
        const int better = bland          ? s->other[j] < s->other[best]
                           : free != best_free ? free
                                          : fabs(t[j]) > fabs(t[best]);
        if (better) best = j;
    }
    return best;
}

/* Whether the signs of a row exclude each other: with multipliers of sum one, their rows add up to zero. */
static int is_excluded(System *s, int row)
{
    const int d = s->d, v = s->basic[row], sign = s->sign[v];
    const double *t = s->tableau + (size_t)row * d;
    double sum = 1, rest = 0, *total = s->scratch;
    for (int k = 0; k < d; k++) total[k] = sign * s->rows[(size_t)v * d + k];
    s->core[0] = v;
    s->n_core = 1;
    for (int j = 0; j < d; j++) {
        const int w = s->other[j];
        const double multiplier = -sign * t[j] * s->sign[w];
        if (!(multiplier > 0)) continue; /* y has no sign, so w is a row */
        s->core[s->n_core++] = w;
        sum += multiplier;
        for (int k = 0; k < d; k++) total[k] += multiplier * s->sign[w] * s->rows[(size_t)w * d + k];
    }
    for (int k = 0; k < d; k++) rest += fabs(total[k]);
    return isfinite(sum) && rest <= EMPTY * sum; /* false for NaN */
}

static int solve(System *s)
{
    int again = 1;
    for (int step = 0; step < MOST_PIVOTS; step++) {
        const int bland = step >= GREEDY, row = violated(s, bland);
        if (row < 0) return POSSIBLE;
        const int column = helpful(s, row, bland);
        if (column < 0) {
            if (is_excluded(s, row)) return EXCLUDED;
            if (!again || !refresh(s)) return UNKNOWN;
            again = 0;
            continue;
        }
        const int v = s->basic[row];
        move(s, column, s->value[s->other[column]] +
                            (s->sign[v] - s->value[v]) / s->tableau[(size_t)row * s->d + column]);
        s->value[v] = s->sign[v];
        pivot(s, row, column);
    }
    return UNKNOWN;
}

/* Move variables that are not basic to where their signs want them. */
static void settle(System *s)
{
    for (int j = 0; j < s->d; j++) {
        const int w = s->other[j];
        if (s->sign[w] && s->sign[w] * s->value[w] < 1) move(s, j, s->sign[w]);
    }
}

/* Decide against a wish. What it excludes together with others is then possible. */
static void decide(int8_t *decided, int v, int8_t sign, const int32_t *first, int *n_first)
{
    decided[v] = sign;
    for (int k = 0; k < *n_first; k++)
        if (first[k] == v) {
            *n_first = 0;
            return;
        }
}

/* Keep what is not decided of a core, if there is room. */
static void keep(const System *s, const int8_t *decided, const double *wish, double cost, Cores *cores)
{
    int size = cores->starts[cores->n];
    if (cores->n >= cores->most || size + s->n_core > cores->room) return;
    for (int k = 0; k < s->n_core; k++) {
        const int w = s->core[k];
        if (!decided[w]) cores->members[size++] = (w - cores->n_fixed + 1) * (wish[w] > 0 ? 1 : -1);
    }
    cores->multipliers[cores->n] = cost;
    cores->starts[++cores->n] = size;
}

/* What wishes cost at least where some signs are decided. Wishes are added by their weights, the largest ones first. Where
   they exclude each other, one of them is not met: the smallest weight among them is a cost, and is taken off each. Where
   decided signs alone exclude one, the opposite sign is decided. */
static double price(System *s, int8_t *decided, const double *wish, const int32_t *order, int n_wishes, double room,
                    double *left, double *charged, int32_t *first, int *n_first, Cores *cores)
{
    double cost = 0;
    for (int q = 0; q < n_wishes && cost < room; q++) {
        const int v = order[q];
        const int8_t sign = wish[v] > 0 ? 1 : -1;
        left[v] = fabs(wish[v]);
        while (left[v] > 0 && cost < room) {
            s->sign[v] = sign;
            if (sign * s->value[v] >= 1) break;
            settle(s);
            if (solve(s) != EXCLUDED) break;
            double least = INFINITY;
            int n_free = 0, last = -1; /* not always v: what was taken off before may leave others that exclude each other */
            for (int k = 0; k < s->n_core; k++) {
                const int w = s->core[k];
                if (decided[w]) continue;
                least = fmin(least, left[w]);
                if (!*n_first) first[n_free] = w;
                last = w;
                n_free++;
            }
            if (!n_free) return INFINITY; /* the decided signs alone; numerical trouble hid it before */
            if (n_free > 1 && !*n_first) *n_first = n_free;
            cost += least;
            if (n_free > 1) keep(s, decided, wish, least, cores);
            if (n_free == 1) decide(decided, last, -s->sign[last], first, n_first);
            for (int k = 0; k < s->n_core; k++) {
                const int w = s->core[k];
                if (decided[w] && w != last) continue;
                left[w] -= least;
                charged[w] += least;
                if (left[w] <= 0) s->sign[w] = 0;
            }
        }
    }
    settle(s);
    solve(s); /* for the point */
    return cost;
}

static int run(System *s, int8_t *decided, const double *wish, const int32_t *order, int n_wishes, double room,
               double *charged, int32_t *first, double *outcome, Cores *cores)
{
    const int n = s->n, d = s->d;
    double *left = calloc(n, sizeof(double));
    int n_first = 0;
    s->sign = calloc(n + d, 1);
    s->scratch = malloc(sizeof(double) * 2 * d * d);
    s->core = malloc(sizeof(int32_t) * (d + 1));
    const int failed = !left || !s->sign || !s->scratch || !s->core;
    if (!failed) {
        memcpy(s->sign, decided, n);
        refresh(s);
        settle(s);
        const int status = solve(s);
        outcome[0] = status == EXCLUDED ? INFINITY
                                        : price(s, decided, wish, order, n_wishes, room, left, charged, first, &n_first, cores);
        outcome[1] = n_first;
        memcpy(outcome + 2, s->value + n, sizeof(double) * d);
    }
    free(left);
    free(s->sign);
    free(s->scratch);
    free(s->core);
    return failed ? -1 : 0;
}

PyDoc_STRVAR(price_doc,
"price(rows, n, d, tableau, places, decided, wish, order, n_wishes, room, charged, first, outcome, n_fixed, starts, members,\n"
"      multipliers)\n--\n\n"
"What wishes cost at least: see convexrelu.reach.sign_cores.\n\n"
"tableau, places: the state, from one call to the next.\n"
"decided: signs, on return also those that follow from them; charged: what is taken off each wish.\n"
"first: the first wishes, two or more, that exclude each other.\n"
"outcome: the cost, infinite where the decided signs exclude each other; the length of first; a point.\n"
"starts, members, multipliers: all cores of two or more wishes, as far as there is room.\n"
"Returns the number of these cores; raises MemoryError.");

static PyObject *python_price(PyObject *self, PyObject *args)
{
    Py_buffer rows, tableau, places, decided, wish, order, charged, first, outcome, starts, members, multipliers;
    System s = {0};
    Cores cores = {0};
    int n_wishes, failed;
    double room;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*iiw*w*w*y*y*idw*w*w*iw*w*w*", &rows, &s.n, &s.d, &tableau, &places, &decided, &wish, &order,
                          &n_wishes, &room, &charged, &first, &outcome, &cores.n_fixed, &starts, &members, &multipliers))
        return NULL;
    s.rows = rows.buf;
    cores.starts = starts.buf, cores.members = members.buf, cores.multipliers = multipliers.buf;
    cores.most = (int)(multipliers.len / (Py_ssize_t)sizeof(double));
    cores.room = (int)(members.len / (Py_ssize_t)sizeof(int32_t));
    cores.starts[0] = 0;
    s.tableau = tableau.buf;
    s.value = s.tableau + (size_t)s.n * s.d;
    s.basic = places.buf;
    s.other = s.basic + s.n;
    Py_BEGIN_ALLOW_THREADS
    failed = run(&s, decided.buf, wish.buf, order.buf, n_wishes, room, charged.buf, first.buf, outcome.buf,
                 &cores);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&rows);
    PyBuffer_Release(&tableau);
    PyBuffer_Release(&places);
    PyBuffer_Release(&decided);
    PyBuffer_Release(&wish);
    PyBuffer_Release(&order);
    PyBuffer_Release(&charged);
    PyBuffer_Release(&first);
    PyBuffer_Release(&outcome);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&members);
    PyBuffer_Release(&multipliers);
    if (failed) return PyErr_NoMemory();
    return PyLong_FromLong(cores.n);
}

PyObject *python_relax(PyObject *self, PyObject *args); /* in _relaxation.c, as the next one */
extern const char relax_doc[];
static PyMethodDef methods[] = {{"price", python_price, METH_VARARGS, price_doc},
                                {"relax", python_relax, METH_VARARGS, relax_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_cores", "Signs that exclude each other, in C.", -1, methods};

PyMODINIT_FUNC PyInit__cores(void) { return PyModule_Create(&module); }
