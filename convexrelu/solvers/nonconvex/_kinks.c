/* The hidden layer of descent in C: what hidden_layer.py does in NumPy, in one pass over the hidden neurons each way.

   Rows are taken in tiles whose hidden neurons stay in the cache of a core. Matrix products with the inputs are made by
   SciPy's BLAS, through the function that scipy.linalg.cython_blas exports. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../../_utils/portable.h"

#define LANES 16
#define MOST_ENTRIES ((ptrdiff_t)1 << 17) /* hidden neurons of a tile, half a megabyte in single precision */

/* One pass over some rows: forward to the outputs, or, where there is a pull, back to the gradients. */
typedef struct {
    ptrdiff_t n, d, m, n_outputs, tile; /* m is a multiple of LANES; neurons without weights fill it up */
    double slope;
    const void *rows, *inner, *outer, *pull; /* (n, d), (m, d), (n_outputs, m), (n, n_outputs) */
    void *t, *gemm;                          /* (n, m) */
    double *out;                             /* (n, n_outputs), or the sums by_width, by_outer, by_inner */
} Layer;

#define REAL float
#define NAME(x) x##_single
INLINE float unit_single(float q) { return q < 0 ? 0 : (q > 1 ? 1 : q); }
#include "_kinks.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(x) x##_double
INLINE double unit_double(double q) { return q < 0 ? 0 : (q > 1 ? 1 : q); }
#include "_kinks.h"
#undef REAL
#undef NAME

PyDoc_STRVAR(pass_doc,
"pass_over(gemm, is_single, slope, n, d, m, K, rows, inner, outer, t, pull, out)\n--\n\n"
"Outputs of the layer, or gradients: see convexrelu.solvers.nonconvex.hidden_layer.\n\n"
"gemm: capsule of BLAS's product of the type of all arrays but `out`, single or double.\n"
"rows: (n, d); inner: (m, d); outer: (K, m); t: (n, m), written on the way forward, and overwritten back.\n"
"pull: (n, K), or empty on the way forward.\n"
"out: outputs (n, K), or the sums by_width (m,), by_outer (K, m) and by_inner (m, d), which are added to.\n"
"Returns None; raises MemoryError, and ValueError for arrays that do not fit.");

static PyObject *pass_over(PyObject *self, PyObject *args)
{
    Py_buffer rows, inner, outer, t, pull, out;
    Layer layer = {0};
    PyObject *gemm;
    int is_single;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oidnnnny*y*y*w*y*w*", &gemm, &is_single, &layer.slope, &layer.n, &layer.d, &layer.m,
                          &layer.n_outputs, &rows, &inner, &outer, &t, &pull, &out))
        return NULL;
    layer.gemm = PyCapsule_GetPointer(gemm, PyCapsule_GetName(gemm));
    layer.tile = MOST_ENTRIES / (layer.m ? layer.m : 1);
    if (layer.tile < LANES) layer.tile = LANES;
    layer.rows = rows.buf;
    layer.inner = inner.buf;
    layer.outer = outer.buf;
    layer.t = t.buf;
    layer.pull = pull.len ? pull.buf : NULL;
    layer.out = out.buf;
    const ptrdiff_t size = is_single ? sizeof(float) : sizeof(double), n_outputs = layer.n_outputs;
    const ptrdiff_t n_sums = layer.m * (1 + n_outputs + layer.d), n_out = layer.pull ? n_sums : layer.n * n_outputs;
    const int fits = rows.len == layer.n * layer.d * size && inner.len == layer.m * layer.d * size &&
                     outer.len == n_outputs * layer.m * size && t.len == layer.n * layer.m * size &&
                     (!layer.pull || pull.len == layer.n * n_outputs * size) &&
                     out.len == n_out * (ptrdiff_t)sizeof(double) && layer.m % LANES == 0 && n_outputs > 0;
    void *memory = malloc(sizeof(double) * (n_sums + 2 * layer.m + 1));
    if (fits && memory && layer.gemm) {
        Py_BEGIN_ALLOW_THREADS
        if (is_single) run_single(&layer, memory);
        else run_double(&layer, memory);
        Py_END_ALLOW_THREADS
    }
    free(memory);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&inner);
    PyBuffer_Release(&outer);
    PyBuffer_Release(&t);
    PyBuffer_Release(&pull);
    PyBuffer_Release(&out);
    if (!layer.gemm) return NULL;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "arrays do not have the shapes or the type that are given");
        return NULL;
    }
    if (!memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"pass_over", pass_over, METH_VARARGS, pass_doc}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kinks", "The hidden layer of descent in C.", -1, methods};

PyMODINIT_FUNC PyInit__kinks(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made) PyModule_AddIntConstant(made, "LANES", LANES);
    return made;
}
