/* The passes of _kinks.c for one type of numbers: REAL, with NAME(x) the name of a function for it. */

/* BLAS: Fortran's, with matrices by columns. */
typedef void (*NAME(Gemm))(const char *, const char *, const int *, const int *, const int *, const REAL *,
                           const REAL *, const int *, const REAL *, const int *, const REAL *, REAL *, const int *);

/* h for one neuron, see hidden_layer.py. */
INLINE REAL NAME(hidden)(REAL t, REAL slope, int is_leaky)
{
    const REAL q = t + (REAL)0.5, p = NAME(unit)(q), h = p * (2 * q - p);
    return is_leaky ? (1 - slope) * h + 2 * slope * t : h;
}

INLINE void NAME(outputs_of_row)(const Layer *layer, const void *weights, const REAL *restrict t, REAL *restrict h,
                                 double *outputs, int is_leaky)
{
    const REAL slope = (REAL)layer->slope;
    for (ptrdiff_t j = 0; j < layer->m; j += LANES)
        for (int l = 0; l < LANES; l++) h[j + l] = NAME(hidden)(t[j + l], slope, is_leaky);
    for (ptrdiff_t k = 0; k < layer->n_outputs; k++) {
        const REAL *restrict outer = (const REAL *)weights + k * layer->m;
        REAL lanes[LANES] = {0}, sum = 0;
        for (ptrdiff_t j = 0; j < layer->m; j += LANES)
            for (int l = 0; l < LANES; l++) lanes[l] += h[j + l] * outer[j + l];
        for (int l = 0; l < LANES; l++) sum += lanes[l];
        outputs[k] = sum;
    }
}

/* In place of t, the gradient in the input. */
INLINE void NAME(gradients_of_row)(const Layer *layer, REAL *restrict t, const REAL *pull, REAL *restrict h,
                                   REAL *restrict pulled, REAL *restrict by_width, REAL *restrict by_outer,
                                   int is_leaky)
{
    const REAL slope = (REAL)layer->slope, *restrict outer = layer->outer;
    const ptrdiff_t m = layer->m;
    for (ptrdiff_t j = 0; j < m; j++) {
        h[j] = NAME(hidden)(t[j], slope, is_leaky);
        pulled[j] = pull[0] * outer[j];
        by_outer[j] += pull[0] * h[j];
    }
    for (ptrdiff_t k = 1; k < layer->n_outputs; k++)
        for (ptrdiff_t j = 0; j < m; j++) {
            pulled[j] += pull[k] * outer[k * m + j];
            by_outer[k * m + j] += pull[k] * h[j];
        }
    for (ptrdiff_t j = 0; j < m; j++) {
        const REAL p = NAME(unit)(t[j] + (REAL)0.5), bent = pulled[j] * p;
        by_width[j] += bent - bent * p;
        t[j] = is_leaky ? (1 - slope) * bent + slope * pulled[j] : bent;
    }
}

INLINE void NAME(forward)(const Layer *layer, const REAL *rows, REAL *t, int n, REAL *memory, double *outputs,
                          int is_leaky)
{
    const int m = (int)layer->m, d = (int)layer->d;
    const REAL one = 1, zero = 0;
    ((NAME(Gemm))layer->gemm)("T", "N", &m, &n, &d, &one, layer->inner, &d, rows, &d, &zero, t, &m);
    for (int i = 0; i < n; i++)
        NAME(outputs_of_row)(layer, layer->outer, t + (ptrdiff_t)i * m, memory, outputs + i * layer->n_outputs,
                             is_leaky);
}

/* Back through a tile: at first `begin`, one row after the other by `gradients_of_row`, and then `end`, which adds to the
   sums. Those over the rows of a tile are in the given precision, those of tiles in double precision. */
INLINE void NAME(begin)(const Layer *layer, REAL *memory)
{
    memset(memory + 2 * layer->m, 0, sizeof(REAL) * n_gradients(layer));
}

INLINE void NAME(end)(const Layer *layer, const REAL *rows, const REAL *t, int n, REAL *memory, double *sums)
{
    const int m = (int)layer->m, d = (int)layer->d;
    const REAL one = 1, zero = 0;
    REAL *by_width = memory + 2 * m, *by_inner = by_width + m * (1 + layer->n_outputs);
    ((NAME(Gemm))layer->gemm)("N", "T", &d, &m, &n, &one, rows, &d, t, &m, &zero, by_inner, &d);
    for (int j = 0; j < m; j++) by_width[j] *= 1 - (REAL)layer->slope;
    for (ptrdiff_t j = 0; j < n_gradients(layer); j++) sums[j] += by_width[j];
}

INLINE void NAME(backward)(const Layer *layer, const REAL *rows, REAL *t, int n, REAL *memory, const REAL *pull,
                           double *sums, int is_leaky)
{
    const int m = (int)layer->m;
    NAME(begin)(layer, memory);
    for (int i = 0; i < n; i++)
        NAME(gradients_of_row)(layer, t + (ptrdiff_t)i * m, pull + i * layer->n_outputs, memory, memory + m,
                               memory + 2 * m, memory + 3 * m, is_leaky);
    NAME(end)(layer, rows, t, n, memory, sums);
}

/* Both ways for half of the weighted squares of residuals, row by row, while a row is in the fastest cache. */
INLINE void NAME(squares)(const Layer *layer, const REAL *rows, REAL *t, int n, REAL *memory, ptrdiff_t start,
                          double *sums, int is_leaky)
{
    const int m = (int)layer->m, d = (int)layer->d;
    const ptrdiff_t n_outputs = layer->n_outputs;
    const REAL one = 1, zero = 0;
    REAL *pull = memory + 2 * m + n_gradients(layer);
    double *by_intercept = sums + n_gradients(layer), *value = by_intercept + n_outputs;
    ((NAME(Gemm))layer->gemm)("T", "N", &m, &n, &d, &one, layer->inner, &d, rows, &d, &zero, t, &m);
    NAME(begin)(layer, memory);
    for (int i = 0; i < n; i++) {
        const double weight = layer->weights[start + i];
        const double *target = layer->target + (start + i) * n_outputs;
        REAL *own = t + (ptrdiff_t)i * m;
        NAME(outputs_of_row)(layer, layer->scaled, own, memory, layer->row, is_leaky);
        for (ptrdiff_t k = 0; k < n_outputs; k++) {
            const double rest = layer->row[k] + layer->intercept[k] - target[k], pulled = weight * rest;
            value[0] += 0.5 * pulled * rest;
            by_intercept[k] += pulled;
            pull[k] = (REAL)pulled;
        }
        NAME(gradients_of_row)(layer, own, pull, memory, memory + m, memory + 2 * m, memory + 3 * m, is_leaky);
    }
    NAME(end)(layer, rows, t, n, memory, sums);
}

INLINE void NAME(run_tiles)(const Layer *layer, void *memory, int is_leaky)
{
    const ptrdiff_t n_outputs = layer->n_outputs;
    for (ptrdiff_t start = 0; start < layer->n; start += layer->tile) {
        const int n = (int)(start + layer->tile < layer->n ? layer->tile : layer->n - start);
        const REAL *rows = (const REAL *)layer->rows + start * layer->d;
        REAL *t = (REAL *)layer->t + (layer->target ? 0 : start * layer->m);
        if (layer->target) NAME(squares)(layer, rows, t, n, memory, start, layer->out, is_leaky);
        else if (layer->pull)
            NAME(backward)(layer, rows, t, n, memory, (const REAL *)layer->pull + start * n_outputs, layer->out,
                           is_leaky);
        else NAME(forward)(layer, rows, t, n, memory, layer->out + start * n_outputs, is_leaky);
    }
}

DISPATCHED static void NAME(run)(const Layer *layer, void *memory)
{
    if (layer->slope != 0) NAME(run_tiles)(layer, memory, 1);
    else NAME(run_tiles)(layer, memory, 0);
}
