"""Objectives of networks on the rows of all chunks: smoothed for descent, exact for certificates."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from convexrelu._utils.typing import Array
from convexrelu.chunked.rows import Rows
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective

__all__ = ["ChunkedObjective", "objective_above", "outputs_of", "with_best_intercept"]

_EPS = float(np.finfo(np.float64).eps)
_STEPS = 100  # of the search for an intercept; a few are enough


class ChunkedObjective(RoundedObjective):
    """The smoothed objective, whose loss is a sum over chunks; in the units of the sample of rows."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows.template)
        self._rows = rows
        self._parts: dict[int, RoundedObjective] = {}

    def now(self) -> float:
        """The time on which all processes agreed at their last meeting."""
        return self._rows.seconds

    def sums(self, z: Array, width: float) -> tuple[Any, ...]:
        """Loss and gradients, see :meth:`RoundedObjective.sums`."""
        inner, outer, intercept = self.parts(z)

        def terms(k: int) -> list[Any]:
            share = self._rows.chunk(k).share
            return [share * part for part in self._part(k).sums(z, width)]

        shapes = (), inner.shape, outer.shape, (len(inner),), intercept.shape
        return tuple(self._rows.total(terms, *shapes))

    def _part(self, k: int) -> RoundedObjective:
        """The objective of one chunk."""
        if k in self._parts:
            return self._parts[k]
        part = RoundedObjective(self._rows.chunk(k).problem, self.n_neurons, self.units)
        if self._rows.keeps:
            self._parts[k] = part
        return part


def objective_above(rows: Rows, network: TwoLayerNetwork) -> float:
    """Regularised loss on all rows, rounded up: the mean of those of the chunks, by their shares."""

    def value(k: int) -> list[float]:
        problem, share = rows.chunk(k)
        return [share * problem.objective(network) if share else 0.0]

    (total,) = rows.total(value, ())
    return float(total) * (1 + 4 * (rows.n_chunks + 2) * _EPS)


def outputs_of(rows: Rows, network: TwoLayerNetwork) -> list[Array]:
    """Outputs on the own chunks, less the intercept."""
    bare = network.with_output_bias(np.zeros(network.n_outputs))
    return rows.each(lambda k: bare.predict(rows.chunk(k).problem.X))


def with_best_intercept(
    rows: Rows, network: TwoLayerNetwork, hidden: list[Array]
) -> TwoLayerNetwork:
    """The network with a better intercept, for the other outputs `hidden`.

    Where losses are smooth, the best one is a zero of ``Σ_i s_i ℓ'(f_i + c)``; quasi-Newton steps from the given one.
    """
    problem = rows.template
    if not problem.fit_intercept:
        return network.with_output_bias(np.zeros(network.n_outputs))

    def terms(c: Array) -> tuple[float, Array]:
        def loss(k: int, outputs: Array) -> list[Any]:
            chunk, share = rows.chunk(k)
            moved = outputs + (c[0] if chunk.n_outputs == 1 else c)
            slopes = chunk.weights @ chunk.loss.gradient(moved, chunk.y)
            return [share * chunk.data_fit(moved), share * np.atleast_1d(slopes)]

        value, slope = rows.total(loss, (), c.shape, arrays=[hidden])
        return float(value), slope

    if problem.loss.is_least_squares:  # one step from anywhere, and one that removes its rounding
        best = -terms(np.zeros(network.n_outputs))[1]
        return network.with_output_bias(best - terms(best)[1])
    options = {"gtol": 0.0, "maxiter": _STEPS}
    found = minimize(terms, network.output_bias, jac=True, method="BFGS", options=options)
    return network.with_output_bias(found.x)
