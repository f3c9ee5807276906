/* The hidden layer of descent in C: what hidden_layer.py does in NumPy, in one pass over the hidden neurons each way.

   Rows are taken in tiles whose hidden neurons stay in the cache of a core. Matrix products with the inputs are made by
   SciPy's BLAS, through the function that scipy.linalg.cython_blas exports. Of few features it takes twice as long as
   products that hold their sums in registers, as they are below for processors with vectors of 64 bytes. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../_utils/portable.h"

#define LANES 16
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define OWN_PRODUCTS __attribute__((noinline, target("avx512f")))
#endif
#define AT_ONCE 6  /* rows of own products; more addresses than there are registers take longer */
#define TOGETHER 8 /* columns, and sums in registers, of own products */
#define MOST_OWN 48 /* features up to which these are faster */
#define MOST_ENTRIES ((ptrdiff_t)1 << 17) /* hidden neurons of a tile, half a megabyte in single precision */

/* One pass over some rows: forward to the outputs; or, where there is a pull, back to the gradients; or, where there
   are targets, both ways. */
typedef struct {
    ptrdiff_t n, d, kept, m, n_outputs, tile; /* neurons without weights fill m up to a multiple of LANES */
    double slope;
    int has_own; /* products */
    const void *rows, *inner, *outer, *scaled, *pull; /* (n, d), (m, d), twice (n_outputs, m), (n, n_outputs) */
    const double *target, *weights, *intercept;       /* (n, n_outputs), (n,), (n_outputs,) */
    void *t, *gemm;                                   /* (n, m), or of one tile where there are targets */
    double *row;                                      /* outputs of a row */
    double *out;                                      /* (n, n_outputs), or sums: see the functions below */
} Layer;

/* Gradients in widths, outer and inner weights, which lie one behind the other in this order; of all neurons, and
   those that are returned. */
static ptrdiff_t n_gradients(const Layer *layer) { return layer->m * (1 + layer->n_outputs + layer->d); }
static ptrdiff_t n_kept(const Layer *layer) { return layer->kept * (1 + layer->n_outputs + layer->d); }

/* Adam from a point (inner, outer, intercepts), on rows of which each step takes some. */
typedef struct {
    Layer layer; /* of a batch that begins at the first row; has no weights */
    ptrdiff_t size;
    int fits_intercept;
    double width, decay, decay_of_squares, tiny;
    const double *penalty;                /* (size,): the gradient of the penalty is that times the point */
    double *point, *mean, *square;        /* (size,) */
    double *s, *gradient;                 /* (m,), half of the widths of kinks, and (size,) */
} Adam;

/* The gradient of the objective, from the sums of a batch. */
static void complete(const Adam *adam)
{
    const ptrdiff_t kept = adam->layer.kept, d = adam->layer.d, n_outputs = adam->layer.n_outputs;
    const double *by_width = adam->layer.out, *by_outer = by_width + kept, *by_inner = by_outer + kept * n_outputs;
    const double *by_intercept = by_inner + kept * d, *point = adam->point, *penalty = adam->penalty;
    double *gradient = adam->gradient;
    for (ptrdiff_t j = 0; j < kept; j++) {
        const double by_length = by_width[j] * adam->width * adam->width / adam->s[j];
        for (ptrdiff_t i = j * d; i < (j + 1) * d; i++) gradient[i] = by_inner[i] + (by_length + penalty[i]) * point[i];
    }
    gradient += kept * d;
    point += kept * d;
    penalty += kept * d;
    for (ptrdiff_t j = 0; j < kept; j++)
        for (ptrdiff_t k = 0; k < n_outputs; k++) {
            const ptrdiff_t i = j * n_outputs + k;
            gradient[i] = adam->s[j] * by_outer[k * kept + j] + penalty[i] * point[i];
        }
    for (ptrdiff_t k = 0; k < n_outputs; k++)
        gradient[kept * n_outputs + k] = adam->fits_intercept ? by_intercept[k] : 0;
}

/* Step size and factor of the root of squares contain the corrections of the first steps. */
static void move(const Adam *adam, double step, double factor)
{
    const double part = 1 - adam->decay, part_of_squares = 1 - adam->decay_of_squares, tiny = adam->tiny;
    const double *restrict gradient = adam->gradient;
    double *restrict point = adam->point, *restrict mean = adam->mean, *restrict square = adam->square;
    for (ptrdiff_t i = 0; i < adam->size; i++) {
        mean[i] += part * (gradient[i] - mean[i]);
        square[i] += part_of_squares * (gradient[i] * gradient[i] - square[i]);
        point[i] -= step * mean[i] / (factor * sqrt(square[i]) + tiny);
    }
}

#define REAL float
#define NAME(x) x##_single
INLINE float unit_single(float q) { return q < 0 ? 0 : (q > 1 ? 1 : q); }
#include "_kinks.h"
#include "_adam.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(x) x##_double
INLINE double unit_double(double q) { return q < 0 ? 0 : (q > 1 ? 1 : q); }
#include "_kinks.h"
#include "_adam.h"
#undef REAL
#undef NAME

/* What both functions do with their arrays, once their sizes are known to fit. Returns whether there was memory. */
static int run(Layer *layer, int is_single)
{
    const ptrdiff_t size = is_single ? sizeof(float) : sizeof(double), n_outputs = layer->n_outputs;
    const ptrdiff_t rows = layer->tile < layer->n ? layer->tile : layer->n;
    const ptrdiff_t n_inner = layer->m * layer->d;
    void *memory = malloc(sizeof(double) * (n_gradients(layer) + 2 * layer->m + 2 * n_outputs + n_inner + 1));
    void *own = layer->target ? malloc(size * rows * layer->m + 1) : NULL;
    const int has_memory = memory && (own || !layer->target);
    if (has_memory) {
        if (own) layer->t = own;
        layer->row = memory;
        void *rest = (double *)memory + n_outputs;
        Py_BEGIN_ALLOW_THREADS
        if (is_single) run_single(layer, rest);
        else run_double(layer, rest);
        Py_END_ALLOW_THREADS
    }
    free(own);
    free(memory);
    return has_memory;
}

/* The width, the length of tiles, and who makes products. */
static void settle(Layer *layer, int may_own)
{
#ifdef OWN_PRODUCTS
    layer->has_own = may_own && layer->d > 0 && layer->d <= MOST_OWN && __builtin_cpu_supports("avx512f");
#else
    (void)may_own;
#endif
    layer->m = (layer->kept + LANES - 1) / LANES * LANES;
    layer->tile = MOST_ENTRIES / (layer->m ? layer->m : 1);
    if (layer->tile < LANES) layer->tile = LANES;
}

static PyObject *outcome(const Layer *layer, int fits, int has_memory)
{
    if (!layer->gemm) return NULL;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "arrays do not have the shapes or the type that are given");
        return NULL;
    }
    if (!has_memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(pass_doc,
"pass_over(gemm, is_single, may_own, slope, n, d, m, K, rows, inner, outer, t, pull, out)\n--\n\n"
"Outputs of the layer, or gradients: see convexrelu.solvers.nonconvex.hidden_layer.\n\n"
"m: number of neurons; neurons without weights fill arrays up to M, the next multiple of LANES.\n"
"gemm: capsule of BLAS's product of the type of all arrays but `out`, single or double.\n"
"may_own: whether products may be made without it.\n"
"rows: (n, d); inner: (M, d); outer: (K, M); t: (n, M), written on the way forward, and overwritten back.\n"
"pull: (n, K), or empty on the way forward.\n"
"out: outputs (n, K), or the sums by_width (m,), by_outer (K, m) and by_inner (m, d), which are added to.\n"
"Returns None; raises MemoryError, and ValueError for arrays that do not fit.");

static PyObject *pass_over(PyObject *self, PyObject *args)
{
    Py_buffer rows, inner, outer, t, pull, out;
    Layer layer = {0};
    PyObject *gemm;
    int is_single, may_own;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oiidnnnny*y*y*w*y*w*", &gemm, &is_single, &may_own, &layer.slope, &layer.n,
                          &layer.d, &layer.kept, &layer.n_outputs, &rows, &inner, &outer, &t, &pull, &out))
        return NULL;
    layer.gemm = PyCapsule_GetPointer(gemm, PyCapsule_GetName(gemm));
    settle(&layer, may_own);
    layer.rows = rows.buf;
    layer.inner = inner.buf;
    layer.outer = outer.buf;
    layer.t = t.buf;
    layer.pull = pull.len ? pull.buf : NULL;
    layer.out = out.buf;
    const ptrdiff_t size = is_single ? sizeof(float) : sizeof(double), n_outputs = layer.n_outputs;
    const ptrdiff_t n_out = layer.pull ? n_kept(&layer) : layer.n * n_outputs;
    const int fits = rows.len == layer.n * layer.d * size && inner.len == layer.m * layer.d * size &&
                     outer.len == n_outputs * layer.m * size && t.len == layer.n * layer.m * size &&
                     (!layer.pull || pull.len == layer.n * n_outputs * size) &&
                     out.len == n_out * (ptrdiff_t)sizeof(double) && n_outputs > 0;
    const int has_memory = fits && layer.gemm && run(&layer, is_single);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&inner);
    PyBuffer_Release(&outer);
    PyBuffer_Release(&t);
    PyBuffer_Release(&pull);
    PyBuffer_Release(&out);
    return outcome(&layer, fits, has_memory);
}

PyDoc_STRVAR(squares_doc,
"least_squares(gemm, is_single, may_own, slope, n, d, m, K,\n"
"              rows, inner, outer, scaled, target, weights, intercept, out)\n--\n\n"
"Half of the weighted squares of residuals, and its gradients: both ways in one pass.\n\n"
"m: number of neurons; neurons without weights fill arrays up to M, the next multiple of LANES.\n"
"gemm: capsule of BLAS's product of the type of the first four arrays, single or double; the others are double.\n"
"may_own: whether products may be made without it.\n"
"rows: (n, d); inner: (M, d); outer, scaled: (K, M), for the way back and for that forward.\n"
"target: (n, K); weights: (n,); intercept: (K,).\n"
"out: the sums by_width (m,), by_outer (K, m), by_inner (m, d), by_intercept (K,), value (1,), which are added to.\n"
"Returns None; raises MemoryError, and ValueError for arrays that do not fit.");

static PyObject *least_squares(PyObject *self, PyObject *args)
{
    Py_buffer rows, inner, outer, scaled, target, weights, intercept, out;
    Layer layer = {0};
    PyObject *gemm;
    int is_single, may_own;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oiidnnnny*y*y*y*y*y*y*w*", &gemm, &is_single, &may_own, &layer.slope, &layer.n,
                          &layer.d, &layer.kept, &layer.n_outputs, &rows, &inner, &outer, &scaled, &target, &weights,
                          &intercept, &out))
        return NULL;
    layer.gemm = PyCapsule_GetPointer(gemm, PyCapsule_GetName(gemm));
    settle(&layer, may_own);
    layer.rows = rows.buf;
    layer.inner = inner.buf;
    layer.outer = outer.buf;
    layer.scaled = scaled.buf;
    layer.target = target.buf;
    layer.weights = weights.buf;
    layer.intercept = intercept.buf;
    layer.out = out.buf;
    const ptrdiff_t size = is_single ? sizeof(float) : sizeof(double), n_outputs = layer.n_outputs;
    const ptrdiff_t wide = sizeof(double), n_out = n_kept(&layer) + n_outputs + 1;
    const int fits = rows.len == layer.n * layer.d * size && inner.len == layer.m * layer.d * size &&
                     outer.len == n_outputs * layer.m * size && scaled.len == outer.len &&
                     target.len == layer.n * n_outputs * wide && weights.len == layer.n * wide &&
                     intercept.len == n_outputs * wide && out.len == n_out * wide && n_outputs > 0;
    const int has_memory = fits && layer.gemm && run(&layer, is_single);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&inner);
    PyBuffer_Release(&outer);
    PyBuffer_Release(&scaled);
    PyBuffer_Release(&target);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&intercept);
    PyBuffer_Release(&out);
    return outcome(&layer, fits, has_memory);
}

PyDoc_STRVAR(adam_doc,
"adam(gemm, is_single, may_own, slope, n, d, m, K, width, decays, fits_intercept,\n"
"     rows, target, weights, starts, steps, penalty, state)\n--\n\n"
"Steps of Adam on the squares of residuals of n rows each: see convexrelu.solvers.nonconvex.minibatches.\n\n"
"gemm: capsule of BLAS's product of the type of `rows`, single or double; other arrays are double.\n"
"may_own: whether products may be made without it.\n"
"width: of the kinks, in units of the lengths of inner weights.\n"
"decays: of the means of gradients and of their squares, and what is added to the root of the latter.\n"
"rows: (N, d); target: (N, K); weights: (N,); starts: first rows of the batches, 64-bit integers.\n"
"steps: for each batch its step size, and the factor of the root.\n"
"penalty: its gradient in units of the point, of the size of that, m d + m K + K.\n"
"state: point, means of gradients and of squares, (3, size), moved on.\n"
"Returns None; raises MemoryError, and ValueError for arrays that do not fit.");

static int adam_steps(Adam *adam, const int64_t *starts, ptrdiff_t n_steps, const double *steps, int is_single)
{
    Layer *layer = &adam->layer;
    const ptrdiff_t n_outputs = layer->n_outputs, n_outer = layer->m * n_outputs, n_inner = layer->m * layer->d;
    const ptrdiff_t n_sums = n_kept(layer) + n_outputs + 1;
    const ptrdiff_t n_passes = n_gradients(layer) + 2 * layer->m + 2 * n_outputs + n_inner + 1;
    const ptrdiff_t n_weights = n_inner + 2 * n_outer, n_hidden = layer->n * layer->m;
    double *memory = calloc(layer->m + adam->size + n_sums + n_passes + n_weights + n_hidden + n_outputs, sizeof(double));
    if (!memory) return 0;
    adam->s = memory;
    adam->gradient = adam->s + layer->m;
    layer->out = adam->gradient + adam->size;
    layer->row = layer->out + n_sums;
    double *passes = layer->row + n_outputs, *weights = passes + n_passes;
    layer->t = weights + n_weights;
    Py_BEGIN_ALLOW_THREADS
    for (ptrdiff_t k = 0; k < n_steps; k++) {
        if (is_single) step_single(adam, starts[k], (float *)weights, passes);
        else step_double(adam, starts[k], weights, passes);
        complete(adam);
        move(adam, steps[2 * k], steps[2 * k + 1]);
    }
    Py_END_ALLOW_THREADS
    free(memory);
    return 1;
}

static PyObject *adam(PyObject *self, PyObject *args)
{
    Py_buffer rows, target, weights, starts, steps, penalty, state;
    Adam adam = {0};
    Layer *layer = &adam.layer;
    PyObject *gemm;
    int is_single, may_own;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oiidnnnnd(ddd)iy*y*y*y*y*y*w*", &gemm, &is_single, &may_own, &layer->slope, &layer->n,
                          &layer->d, &layer->kept, &layer->n_outputs, &adam.width, &adam.decay, &adam.decay_of_squares,
                          &adam.tiny, &adam.fits_intercept, &rows, &target, &weights, &starts, &steps, &penalty,
                          &state))
        return NULL;
    layer->gemm = PyCapsule_GetPointer(gemm, PyCapsule_GetName(gemm));
    settle(layer, may_own);
    const ptrdiff_t wide = sizeof(double), n_steps = starts.len / (ptrdiff_t)sizeof(int64_t);
    const ptrdiff_t n_rows = weights.len / wide, size_of_row = layer->d * (is_single ? (ptrdiff_t)sizeof(float) : wide);
    adam.size = layer->kept * (layer->d + layer->n_outputs) + layer->n_outputs;
    layer->rows = rows.buf;
    layer->target = target.buf;
    layer->weights = weights.buf;
    adam.penalty = penalty.buf;
    adam.point = state.buf;
    adam.mean = adam.point + adam.size;
    adam.square = adam.mean + adam.size;
    layer->intercept = adam.mean - layer->n_outputs;
    int fits = rows.len == n_rows * size_of_row && target.len == n_rows * layer->n_outputs * wide &&
               steps.len == 2 * n_steps * wide && penalty.len == adam.size * wide && state.len == 3 * penalty.len &&
               layer->n_outputs > 0 && layer->n >= 0;
    for (ptrdiff_t k = 0; k < n_steps && fits; k++) {
        const int64_t start = ((const int64_t *)starts.buf)[k];
        fits = start >= 0 && start <= n_rows - layer->n;
    }
    const int has_memory = fits && layer->gemm && adam_steps(&adam, starts.buf, n_steps, steps.buf, is_single);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&target);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&steps);
    PyBuffer_Release(&penalty);
    PyBuffer_Release(&state);
    return outcome(layer, fits, has_memory);
}

static PyMethodDef methods[] = {{"adam", adam, METH_VARARGS, adam_doc},
                                {"pass_over", pass_over, METH_VARARGS, pass_doc},
                                {"least_squares", least_squares, METH_VARARGS, squares_doc},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kinks", "The hidden layer of descent in C.", -1, methods};

PyMODINIT_FUNC PyInit__kinks(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made) PyModule_AddIntConstant(made, "LANES", LANES);
    return made;
}
