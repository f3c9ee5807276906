/* The passes of _kinks.c for one type of numbers: REAL, with NAME(x) the name of a function for it. */

/* BLAS: Fortran's, with matrices by columns. */
typedef void (*NAME(Gemm))(const char *, const char *, const int *, const int *, const int *, const REAL *,
                           const REAL *, const int *, const REAL *, const int *, const REAL *, REAL *, const int *);

#ifdef OWN_PRODUCTS
typedef REAL NAME(Vector) __attribute__((vector_size(64), aligned(sizeof(REAL)), may_alias));
#define WIDE ((ptrdiff_t)(64 / sizeof(REAL)))

/* t = rows inner^T for a few rows, whose number the compiler knows. */
INLINE void NAME(few_rows)(ptrdiff_t m, ptrdiff_t d, const REAL *rows, const REAL *transposed, REAL *t, int n_rows)
{
    for (ptrdiff_t j = 0; j < m; j += WIDE) {
        NAME(Vector) sums[TOGETHER] = {{0}};
        for (ptrdiff_t k = 0; k < d; k++) {
            const NAME(Vector) column = *(const NAME(Vector) *)(transposed + k * m + j);
            for (int i = 0; i < n_rows; i++) sums[i] += rows[i * d + k] * column;
        }
        for (int i = 0; i < n_rows; i++) *(NAME(Vector) *)(t + i * m + j) = sums[i];
    }
}

/* Some columns of by_inner = t^T rows. */
INLINE void NAME(few_columns)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t d, const REAL *rows, const REAL *t, REAL *by_inner,
                              int n_columns)
{
    for (ptrdiff_t j = 0; j < m; j += WIDE) {
        NAME(Vector) sums[TOGETHER] = {{0}};
        for (ptrdiff_t i = 0; i < n; i++) {
            const NAME(Vector) own = *(const NAME(Vector) *)(t + i * m + j);
            for (int k = 0; k < n_columns; k++) sums[k] += rows[i * d + k] * own;
        }
        for (int k = 0; k < n_columns; k++)
            for (ptrdiff_t l = 0; l < WIDE; l++) by_inner[(j + l) * d + k] = sums[k][l];
    }
}

#define FOR_COUNTS(CALL, count) \
    switch (count) { \
    case 1: CALL(1); break; \
    case 2: CALL(2); break; \
    case 3: CALL(3); break; \
    case 4: CALL(4); break; \
    case 5: CALL(5); break; \
    case 6: CALL(6); break; \
    case 7: CALL(7); break; \
    default: CALL(8); \
    }

OWN_PRODUCTS static void NAME(own_inputs)(const Layer *layer, const REAL *rows, REAL *t, int n, const REAL *transposed)
{
    const ptrdiff_t m = layer->m, d = layer->d;
#define CALL(count) NAME(few_rows)(m, d, rows, transposed, t, count)
    FOR_COUNTS(CALL, n)
#undef CALL
}

/* As many columns together as others, up to one. */
OWN_PRODUCTS static void NAME(own_gradients)(const Layer *layer, const REAL *rows, const REAL *t, int n, REAL *by_inner)
{
    const ptrdiff_t m = layer->m, d = layer->d, n_blocks = (d + TOGETHER - 1) / TOGETHER;
    for (ptrdiff_t block = 0; block < n_blocks; block++) {
        const ptrdiff_t k = block * d / n_blocks, end = (block + 1) * d / n_blocks;
#define CALL(count) NAME(few_columns)(n, m, d, rows + k, t, by_inner + k, count)
        FOR_COUNTS(CALL, end - k)
#undef CALL
    }
}
#undef FOR_COUNTS
#undef WIDE
#endif

/* Inputs t of the hidden neurons for some rows, as many as AT_ONCE at most with own products. */
INLINE void NAME(inputs)(const Layer *layer, const REAL *rows, REAL *t, int n, const REAL *transposed)
{
#ifdef OWN_PRODUCTS
    if (layer->has_own) {
        NAME(own_inputs)(layer, rows, t, n, transposed);
        return;
    }
#endif
    const int m = (int)layer->m, d = (int)layer->d;
    const REAL one = 1, zero = 0;
    (void)transposed;
    ((NAME(Gemm))layer->gemm)("T", "N", &m, &n, &d, &one, layer->inner, &d, rows, &d, &zero, t, &m);
}

INLINE void NAME(inner_gradients)(const Layer *layer, const REAL *rows, const REAL *t, int n, REAL *by_inner)
{
#ifdef OWN_PRODUCTS
    if (layer->has_own) {
        NAME(own_gradients)(layer, rows, t, n, by_inner);
        return;
    }
#endif
    const int m = (int)layer->m, d = (int)layer->d;
    const REAL one = 1, zero = 0;
    ((NAME(Gemm))layer->gemm)("N", "T", &d, &m, &n, &one, rows, &d, t, &m, &zero, by_inner, &d);
}

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
        REAL lanes[LANES] = {0};
        for (ptrdiff_t j = 0; j < layer->m; j += LANES)
            for (int l = 0; l < LANES; l++) lanes[l] += h[j + l] * outer[j + l];
        for (int half = LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
        outputs[k] = lanes[0];
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

/* Where the transposed inner weights are, if they are needed. */
INLINE REAL *NAME(transposed)(const Layer *layer, REAL *memory)
{
    return memory + 2 * layer->m + n_gradients(layer) + layer->n_outputs;
}

INLINE void NAME(forward)(const Layer *layer, const REAL *rows, REAL *t, int n, REAL *memory, double *outputs,
                          int is_leaky)
{
    const int m = (int)layer->m, step = layer->has_own ? AT_ONCE : n;
    for (int first = 0; first < n; first += step) {
        const int count = first + step < n ? step : n - first;
        NAME(inputs)(layer, rows + first * layer->d, t + (ptrdiff_t)first * m, count, NAME(transposed)(layer, memory));
        for (int i = first; i < first + count; i++)
            NAME(outputs_of_row)(layer, layer->outer, t + (ptrdiff_t)i * m, memory, outputs + i * layer->n_outputs,
                                 is_leaky);
    }
}

/* Back through a tile: at first `begin`, one row after the other by `gradients_of_row`, and then `end`, which adds to
   the sums. Those over the rows of a tile are in the given precision, those of tiles in double precision. */
INLINE void NAME(begin)(const Layer *layer, REAL *memory)
{
    memset(memory + 2 * layer->m, 0, sizeof(REAL) * n_gradients(layer));
}

INLINE void NAME(end)(const Layer *layer, const REAL *rows, const REAL *t, int n, REAL *memory, double *sums)
{
    const ptrdiff_t m = layer->m, kept = layer->kept, n_outputs = layer->n_outputs;
    REAL *by_width = memory + 2 * m, *by_outer = by_width + m, *by_inner = by_outer + n_outputs * m;
    NAME(inner_gradients)(layer, rows, t, n, by_inner);
    for (ptrdiff_t j = 0; j < kept; j++) sums[j] += (1 - (REAL)layer->slope) * by_width[j];
    sums += kept;
    for (ptrdiff_t k = 0; k < n_outputs; k++, sums += kept)
        for (ptrdiff_t j = 0; j < kept; j++) sums[j] += by_outer[k * m + j];
    for (ptrdiff_t j = 0; j < kept * layer->d; j++) sums[j] += by_inner[j];
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

/* Half of the weighted squares of residuals, and back through a row: it is in the fastest cache. */
INLINE void NAME(squares_of_row)(const Layer *layer, REAL *t, ptrdiff_t row, REAL *memory, double *sums, int is_leaky)
{
    const ptrdiff_t n_outputs = layer->n_outputs, m = layer->m;
    const double weight = layer->weights[row], *target = layer->target + row * n_outputs;
    REAL *pull = memory + 2 * m + n_gradients(layer);
    double *by_intercept = sums + n_kept(layer), *value = by_intercept + n_outputs;
    NAME(outputs_of_row)(layer, layer->scaled, t, memory, layer->row, is_leaky);
    for (ptrdiff_t k = 0; k < n_outputs; k++) {
        const double rest = layer->row[k] + layer->intercept[k] - target[k], pulled = weight * rest;
        value[0] += 0.5 * pulled * rest;
        by_intercept[k] += pulled;
        pull[k] = (REAL)pulled;
    }
    NAME(gradients_of_row)(layer, t, pull, memory, memory + m, memory + 2 * m, memory + 3 * m, is_leaky);
}

INLINE void NAME(squares)(const Layer *layer, const REAL *rows, REAL *t, int n, REAL *memory, ptrdiff_t start,
                          double *sums, int is_leaky)
{
    const int m = (int)layer->m, step = layer->has_own ? AT_ONCE : n;
    NAME(begin)(layer, memory);
    for (int first = 0; first < n; first += step) {
        const int count = first + step < n ? step : n - first;
        NAME(inputs)(layer, rows + first * layer->d, t + (ptrdiff_t)first * m, count, NAME(transposed)(layer, memory));
        for (int i = first; i < first + count; i++)
            NAME(squares_of_row)(layer, t + (ptrdiff_t)i * m, start + i, memory, sums, is_leaky);
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
    if (layer->has_own && !layer->pull) {
        REAL *transposed = NAME(transposed)(layer, memory);
        for (ptrdiff_t j = 0; j < layer->m; j++)
            for (ptrdiff_t k = 0; k < layer->d; k++)
                transposed[k * layer->m + j] = ((const REAL *)layer->inner)[j * layer->d + k];
    }
    if (layer->slope != 0) NAME(run_tiles)(layer, memory, 1);
    else NAME(run_tiles)(layer, memory, 0);
}
