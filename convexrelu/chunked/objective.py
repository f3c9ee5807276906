"""Objectives of networks on the rows of all chunks: smoothed for descent, exact for certificates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.chunked.products import HostProducts, SparseProducts
from convexrelu.chunked.rows import Rows
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective
from convexrelu.solvers.nonconvex.tile_sums import Samples, sums_of

if TYPE_CHECKING:  # torch takes seconds to import
    from convexrelu.solvers.nonconvex.tensor_sums import TensorSums

__all__ = ["ChunkedObjective", "objective_above", "outputs_of", "with_best_intercept"]

_EPS = float(np.finfo(np.float64).eps)
_STEPS, _LAST_STEPS = (
    50,
    2,
)  # Newton steps for an intercept at most, and those within rounding; few are needed
_ROUNDINGS = 8  # of a loss
_ROWS = 2**12  # whose second derivatives are there at a time


class ChunkedObjective(RoundedObjective):
    """The smoothed objective, whose loss is a sum over chunks; in the units of the sample of rows."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows.template)
        self._rows = rows
        self._tiles: dict[int, list[Samples]] = {}
        self._groups: dict[range, TensorSums] = {}

    def now(self) -> float:
        """The time on which all processes agreed at their last meeting."""
        return self._rows.seconds

    def sums(self, z: Array, width: float, sizes: Array) -> Array:
        """Loss and gradients, see :meth:`RoundedObjective.sums`."""
        if self._rows.on_device is not None:
            groups = self._rows.on_device.groups
            found = [each for some in groups for each in self._group(some).of_chunks(z, width)]
            terms = self._rows.each(lambda k, sums: self._rows.chunk(k).share * sums, found)
            return self._rows.total_vector(terms)

        # Together those of short chunks are worth several cores, too.
        point = z, width, sizes
        kept = self._sums_of_chunks(self._rows.own, *point) if self._rows.keeps else {}

        def term_of(k: int) -> Array:
            found = kept[k] if kept else self._sums_of_chunks([k], *point)[k]
            found *= self._rows.chunk(k).share
            return found

        return self._rows.total_vector(self._rows.each(term_of))

    def _sums_of_chunks(
        self, chunks: Sequence[int], z: Array, width: float, sizes: Array
    ) -> dict[int, Array]:
        tiles = [self._tiles_of(k) for k in chunks]
        found = iter(self.tile_sums(list(chain.from_iterable(tiles)), z, width, sizes))
        return {
            k: sums_of(list(islice(found, len(own)))) for k, own in zip(chunks, tiles, strict=True)
        }

    def _tiles_of(self, k: int) -> list[Samples]:
        """The samples of one chunk."""
        if k in self._tiles:
            return self._tiles[k]
        products = self._rows.products(k)
        if isinstance(products, SparseProducts):
            tiles = [self._sparse(products)]
        else:
            assert isinstance(products, HostProducts)
            single = self.rows.dtype == np.float32
            tiles = RoundedObjective(
                products.problem, self.n_neurons, self.units, is_single=single
            ).tiles
        if self._rows.keeps:
            self._tiles[k] = tiles
        return tiles

    def _sparse(self, products: SparseProducts) -> Samples:
        """The samples of a sparse chunk, in one tile."""
        problem = products.problem
        rows = (products.rows / self.units.rho).astype(self.rows.dtype)
        return Samples(rows, self.scaled(problem.y), problem.weights / problem.weights.sum())

    def _group(self, group: range) -> TensorSums:
        """The sums of chunks that lie side by side on a device."""
        if group in self._groups:
            return self._groups[group]
        rows = self._rows
        assert rows.on_device is not None
        problems = [rows.chunk(k).problem for k in group]
        target = np.concatenate([self._filled(self.scaled(each.y)) for each in problems])
        weights = np.concatenate([self._filled(each.weights, 0.0) for each in problems])
        sums = self.tensor_sums(rows.on_device.of_group(group), target, weights)
        if rows.keeps:
            self._groups[group] = sums
        return sums

    def _filled(self, array: Array, value: float | None = None) -> Array:
        """Targets or weights of a chunk with the value, or else the last one, up to the length of all."""
        missing = self._rows.length - len(array)
        more = array[-1] if value is None else value
        return np.concatenate([array, np.full((missing, *array.shape[1:]), more)])


def objective_above(rows: Rows, network: TwoLayerNetwork, hidden: list[Array]) -> float:
    """Regularised loss on all rows, rounded up: the mean of those of the chunks, by their shares.

    `hidden` are those of :func:`outputs_of`; where inputs are far from the origin, outputs are computed around it.
    """

    def value(k: int, own: Array) -> list[float]:
        problem, share, is_centred = rows.chunk(k)
        if not share:
            return [0.0]
        if is_centred:
            return [share * rows.prepared(k).objective(network)]
        return [share * problem.objective(network, lambda bare: own)]

    (total,) = rows.total(value, (), arrays=[hidden])
    return float(total) * (1 + 4 * (rows.n_chunks + 2) * _EPS)


def outputs_of(rows: Rows, network: TwoLayerNetwork) -> list[Array]:
    """Outputs on the own chunks, less the intercept."""
    bare = network.with_output_bias(np.zeros(network.n_outputs))
    return rows.each(lambda k: rows.products(k).outputs(bare), columns=network.width)


def with_best_intercept(
    rows: Rows, network: TwoLayerNetwork, hidden: list[Array]
) -> TwoLayerNetwork:
    """The network with the best intercept for the other outputs `hidden`.

    For smooth losses it is a zero of ``Σ_i s_i ℓ'(f_i + c)``: Newton steps from the given one, halved while they do not
    lower the loss.
    """
    problem = rows.template
    if not problem.fit_intercept:
        return network.with_output_bias(np.zeros(network.n_outputs))
    c, n_last = network.output_bias, 0
    value, slope, curvature = _loss_at(rows, hidden, c)
    for _ in range(_STEPS):
        step = -np.linalg.lstsq(curvature, slope, rcond=None)[0]
        decrease = -float(slope @ step)
        # Too close for the loss to decide: full steps, which double the digits each.
        rounding = _ROUNDINGS * _EPS * abs(value)
        is_last = decrease <= rounding
        moved = _loss_at(rows, hidden, c + step)
        while not is_last and not moved[0] <= value - 1e-4 * decrease + rounding:  # also NaN
            step, decrease = step / 2, decrease / 2
            is_last = decrease <= rounding
            moved = _loss_at(rows, hidden, c + step)
        c, (value, slope, curvature), n_last = c + step, moved, n_last + is_last
        if n_last == _LAST_STEPS:
            break
    return network.with_output_bias(c)


def _loss_at(rows: Rows, hidden: list[Array], c: Array) -> tuple[float, Array, Array]:
    """Loss with an intercept, its gradient of shape (K,), and its second derivatives of shape (K, K)."""

    def terms(k: int, outputs: Array) -> list[Any]:
        problem, share, _ = rows.chunk(k)
        moved = outputs + (c[0] if problem.n_outputs == 1 else c)
        with np.errstate(over="ignore", invalid="ignore"):  # of steps that are too long
            slopes = problem.weights @ problem.loss.gradient(moved, problem.y)
            fit, second = problem.data_fit(moved), _curvature(problem, moved)
        return [share * fit, share * np.atleast_1d(slopes), share * second]

    value, slope, curvature = rows.total(terms, (), c.shape, (len(c), len(c)), arrays=[hidden])
    return float(value), slope, curvature


def _curvature(problem: TrainingProblem, outputs: Array) -> Array:
    """``Σ_i s_i ℓ''(f_i)``, of shape (K, K), some rows at a time."""
    total = np.zeros((problem.n_outputs,) * 2)
    for start in range(0, len(outputs), _ROWS):
        part = slice(start, start + _ROWS)
        second = problem.loss.curvature(outputs[part], problem.y[part])
        summed = np.tensordot(problem.weights[part], second, axes=1)
        total += summed if summed.ndim == 2 else np.diag(np.atleast_1d(summed))
    return total
