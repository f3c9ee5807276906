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

INLINE void NAME(outputs_of_row)(const Layer *layer, const REAL *restrict t, REAL *restrict h, double *outputs,
                                 int is_leaky)
{
    const REAL slope = (REAL)layer->slope;
    for (ptrdiff_t j = 0; j < layer->m; j += LANES)
        for (int l = 0; l < LANES; l++) h[j + l] = NAME(hidden)(t[j + l], slope, is_leaky);
    for (ptrdiff_t k = 0; k < layer->n_outputs; k++) {
        const REAL *restrict outer = (const REAL *)layer->outer + k * layer->m;
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
        NAME(outputs_of_row)(layer, t + (ptrdiff_t)i * m, memory, outputs + i * layer->n_outputs, is_leaky);
}

/* Sums over the rows of a tile are in the given precision, and those of tiles in double precision. */
INLINE void NAME(backward)(const Layer *layer, const REAL *rows, REAL *t, int n, REAL *memory, const REAL *pull,
                           double *sums, int is_leaky)
{
    const int m = (int)layer->m, d = (int)layer->d;
    const ptrdiff_t n_sums = layer->m * (1 + layer->n_outputs + layer->d);
    const REAL one = 1, zero = 0;
    REAL *by_width = memory + 2 * m, *by_outer = by_width + m, *by_inner = by_outer + m * layer->n_outputs;
    memset(by_width, 0, sizeof(REAL) * n_sums);
    for (int i = 0; i < n; i++)
        NAME(gradients_of_row)(layer, t + (ptrdiff_t)i * m, pull + i * layer->n_outputs, memory, memory + m, by_width,
                               by_outer, is_leaky);
    ((NAME(Gemm))layer->gemm)("N", "T", &d, &m, &n, &one, rows, &d, t, &m, &zero, by_inner, &d);
    for (int j = 0; j < m; j++) by_width[j] *= 1 - (REAL)layer->slope;
    for (ptrdiff_t j = 0; j < n_sums; j++) sums[j] += by_width[j];
}

DISPATCHED static void NAME(run)(const Layer *layer, void *memory)
{
    const ptrdiff_t n_outputs = layer->n_outputs;
    const int is_leaky = layer->slope != 0;
    for (ptrdiff_t start = 0; start < layer->n; start += layer->tile) {
        const int n = (int)(start + layer->tile < layer->n ? layer->tile : layer->n - start);
        const REAL *rows = (const REAL *)layer->rows + start * layer->d;
        REAL *t = (REAL *)layer->t + start * layer->m;
        if (layer->pull) {
            const REAL *pull = (const REAL *)layer->pull + start * n_outputs;
            if (is_leaky) NAME(backward)(layer, rows, t, n, memory, pull, layer->out, 1);
            else NAME(backward)(layer, rows, t, n, memory, pull, layer->out, 0);
        } else if (is_leaky) NAME(forward)(layer, rows, t, n, memory, layer->out + start * n_outputs, 1);
        else NAME(forward)(layer, rows, t, n, memory, layer->out + start * n_outputs, 0);
    }
}
