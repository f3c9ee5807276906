/* Steps of Adam on mini-batches for one type of numbers, see minibatches.py; included by _kinks.c after _kinks.h. */

/* The weights of a layer from a point (inner, outer, intercepts): divided by twice the widths of kinks, and times
   these. */
INLINE void NAME(take_point)(const Adam *adam, REAL *inner, REAL *outer, REAL *scaled)
{
    const ptrdiff_t m = adam->layer.m, kept = adam->layer.kept, d = adam->layer.d, n_outputs = adam->layer.n_outputs;
    const double *outer_weights = adam->point + kept * d;
    for (ptrdiff_t j = 0; j < kept; j++) {
        const double *own = adam->point + j * d;
        double largest = 0, squares = 0;
        for (ptrdiff_t k = 0; k < d; k++) largest = fabs(own[k]) > largest ? fabs(own[k]) : largest;
        for (ptrdiff_t k = 0; k < d && largest > 0; k++) squares += own[k] / largest * (own[k] / largest);
        adam->s[j] = adam->width * (largest * sqrt(squares) + 1e-300);
        for (ptrdiff_t k = 0; k < d; k++) inner[j * d + k] = (REAL)(own[k] / (2 * adam->s[j]));
        for (ptrdiff_t k = 0; k < n_outputs; k++) {
            outer[k * m + j] = (REAL)outer_weights[j * n_outputs + k];
            scaled[k * m + j] = (REAL)(adam->s[j] * outer_weights[j * n_outputs + k]);
        }
    }
}

/* One step on the rows from `start` on. */
INLINE void NAME(step)(Adam *adam, ptrdiff_t start, REAL *weights, void *memory)
{
    Layer batch = adam->layer;
    const ptrdiff_t n_inner = batch.m * batch.d, n_outer = batch.m * batch.n_outputs;
    NAME(take_point)(adam, weights, weights + n_inner, weights + n_inner + n_outer);
    batch.rows = (const REAL *)batch.rows + start * batch.d;
    batch.target += start * batch.n_outputs;
    batch.weights += start;
    batch.inner = weights;
    batch.outer = weights + n_inner;
    batch.scaled = weights + n_inner + n_outer;
    memset(batch.out, 0, sizeof(double) * (n_kept(&batch) + batch.n_outputs + 1));
    NAME(run)(&batch, memory);
}
