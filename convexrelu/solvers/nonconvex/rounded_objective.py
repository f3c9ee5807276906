"""The training objective with smoothed kinks, and its gradient.

With ``s`` the width of the smoothing times ``‖w̃_j‖``::

    relu_s(t) = (t + s)²/4s   where |t| ≤ s,   relu(t) elsewhere
    φ_s(t)    = slope · t + (1 − slope) relu_s(t)

Losses with kinks are smoothed likewise, see :func:`rounded_loss`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.optimize import Bounds
from scipy.sparse import issparse

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.losses import Loss, SeparableLoss
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.units import Units
from convexrelu.solvers.nonconvex.hidden_layer import HiddenLayer, is_compiled, split_sums
from convexrelu.solvers.nonconvex.sparse_layer import SparseLayer
from convexrelu.solvers.nonconvex.tile_sums import (
    Samples,
    Scratch,
    shared,
    sums_of,
    sums_of_tile,
)

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from convexrelu.solvers.nonconvex.tensor_sums import TensorSums

__all__ = ["RoundedObjective", "rounded_loss"]

_FIRST_NORM = 0.5  # of inner and of outer weights; no measurement is recorded
# Number of neurons at a penalty of 0.003, in units in which data have size one; at a tenth of that, twice as many do
# better, but hardly so with several outputs.
_NEURONS, _ALPHA, _POWER = 100, 0.003, 0.3
_FEWEST_NEURONS, _MOST_NEURONS = 50, 300
# Where cutting planes follow, four times as many at a tenth: descent takes twice as long, and ends at half of the
# distance to the optimum (friedman1, diabetes), which takes programs far longer.
_STEEP_POWER, _MOST_WITH_ROUNDS = 0.6, 600
# With more hidden outputs than this, use single precision, and tiles of so many.
_LARGE, _TILE = 2**14, 2**19
# Hidden outputs at a time on a device, where eight arrays of so many numbers are there together.
_ON_DEVICE = 2**26


def rounded_loss(loss: Loss, f: Array, y: Array, width: float) -> tuple[Array, Array]:
    """Values of shape (n,) and gradients of a loss, with its kinks smoothed if it has any.

    The Moreau envelope, whose conjugate has ``width/2 ‖z‖²`` in addition (Nesterov 2005)::

        ℓ_width(f) = max_z  zᵀf − ℓ*(z) − width/2 ‖z‖²  ≤  ℓ(f)

    Where the loss consists of two straight lines that meet at ``f = y``, ``ℓ*(z) = z y`` on an interval, and the
    maximum is at ``z = (f − y)/width``, clipped to it. Other losses with kinks are left as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.losses import AbsoluteError
    >>> f = np.array([0.05, 2.0])
    >>> rounded_loss(AbsoluteError(), f, np.zeros(2), width=0.1)
    (array([0.0125, 1.95  ]), array([0.5, 1. ]))
    """
    if loss.smooth or not (isinstance(loss, SeparableLoss) and loss.bends_at_target):
        return loss.value_and_gradient(f, y)
    z = np.clip((f - y) / width, *loss.domain(y))
    terms = z * (f - y - 0.5 * width * z)
    return terms.sum(axis=1) if terms.ndim == 2 else terms, z


class RoundedObjective:
    """The training objective with smoothed kinks and its gradient, in units in which data and targets have size one.

    A point is a vector of inner weights (m, d̃), outer weights (m, K) and intercepts (K,). Free biases are weights of
    a column of ones here, and are not penalised. The units are those of the problem, unless given. With many samples,
    sums over them are made on `device`, by NumPy if it is "cpu". Unless given, the number of neurons depends on the
    penalty, and on whether rounds of cutting planes follow, and the precision of products on the number of samples.
    """

    def __init__(
        self,
        problem: TrainingProblem,
        n_neurons: int | None = None,
        units: Units | None = None,
        device: str = "cpu",
        rounds_follow: bool = False,
        is_single: bool | None = None,
    ) -> None:
        design, weights = problem.design, problem.weights
        self.problem = problem
        self.weights = weights / weights.sum()
        self.units = problem.units() if units is None else units
        self.target = self.scaled(problem.y)
        self.columns = np.full(design.shape[1], self.units.rho)  # their units
        self.penalised = np.ones(design.shape[1])
        if problem.free_bias:
            spread = np.sqrt(self.weights @ np.square(norms(design[:, :-1])))
            self.columns[:-1], self.columns[-1] = _or_one(spread), problem.bias_column
            self.penalised[-1] = 0.0
        self.alpha = problem.alpha * self.units.tau / (self.columns[0] * self.units.value)
        self.n_neurons = n_neurons or self._enough_neurons(len(design), rounds_follow)
        single = self.is_single(len(design)) if is_single is None else is_single
        dtype = np.float32 if single else np.float64
        self.rows = np.empty(design.shape, dtype)
        np.divide(design, self.columns, out=self.rows, casting="same_kind")
        self.device = device
        self._scratch = Scratch()

    def is_single(self, n_samples: int) -> bool:
        """Whether products with so many samples are made in single precision."""
        return n_samples * self.n_neurons > _LARGE

    @cached_property
    def _on_device(self) -> list[TensorSums] | None:
        """The sums on another device; none where samples are so few that launching its operations takes longer."""
        if self.device == "cpu" or not self.is_single(len(self.rows)):
            return None
        from convexrelu._utils.torch_import import torch  # torch takes seconds to import

        design = torch.tensor(self.problem.design, device=self.device)
        step = max(1, _ON_DEVICE // self.n_neurons)
        parts = [slice(start, start + step) for start in range(0, len(design), step)]
        return [
            self.tensor_sums(design[None, part], self.target[part], self.weights[part])
            for part in parts
        ]

    def tensor_sums(self, design: Tensor, target: Array, weights: Array) -> TensorSums:
        """The sums over chunks of rows that are on a device, with targets in their unit."""
        from convexrelu.solvers.nonconvex.tensor_sums import TensorSums

        problem = self.problem
        return TensorSums(
            design,
            target,
            weights,
            columns=self.columns,
            loss=problem.loss,
            rounded=partial(rounded_loss, problem.loss),
            slope=problem.slope,
            n_outputs=problem.n_outputs,
            single=self.is_single(design.shape[0] * design.shape[1]),
        )

    def scaled(self, y: Array) -> Array:
        """Targets in their unit."""
        return self.units.targets(self.problem.loss, y)

    def _enough_neurons(self, n_samples: int, rounds_follow: bool) -> int:
        """Number of neurons: more for smaller penalties, but no more than can be useful."""
        many = rounds_follow and self.alpha < _ALPHA
        power, most = (_STEEP_POWER, _MOST_WITH_ROUNDS) if many else (_POWER, _MOST_NEURONS)
        with np.errstate(over="ignore", divide="ignore"):  # of extreme scales
            enough = _NEURONS * np.divide(_ALPHA, self.alpha) ** power
        most = most if self.problem.n_outputs == 1 else _NEURONS
        return min(int(np.clip(enough, _FEWEST_NEURONS, most)), 2 * n_samples)

    def random_point(self, random: np.random.RandomState) -> Array:
        """Random directions of equal size to which all features contribute alike, and the best constant."""
        problem, n_neurons = self.problem, self.n_neurons
        spread = np.sqrt(self.weights @ np.square(self.rows))
        inner = random.standard_normal((n_neurons, len(spread)))
        inner /= np.where(spread > 1e-8 * spread.max(initial=0.0), spread, np.inf)
        inner *= _FIRST_NORM / _or_one(self._sizes(inner))[:, None]
        outer = _FIRST_NORM * _random_units(random, n_neurons, problem.n_outputs)
        return _joined(inner, outer, self._intercept(problem.best_intercept(problem.no_outputs())))

    def point(self, network: TwoLayerNetwork) -> Array:
        """The point of a network."""
        inner = self.problem.directions(network) * self.columns
        outer = network.output_weights.T / self.units.tau
        return self.balanced(_joined(inner, outer, self._intercept(network.output_bias)))

    def __call__(self, z: Array, width: float) -> tuple[float, Array]:
        """Value and gradient."""
        sizes = _positive_norms(self.parts(z)[0])
        return self.with_penalty(z, width, sizes, self.sums(z, width, sizes))

    def bounds(self, z: Array) -> Bounds | None:
        """Bounds on the entries of points that descent reaches from `z`; None if there are none."""
        return None

    def now(self) -> float:
        """The time that deadlines are compared with."""
        return time.perf_counter()

    def sums(self, z: Array, width: float, sizes: Array) -> Array:
        """Loss of the samples, with its gradients, as of :mod:`~convexrelu.solvers.nonconvex.hidden_layer`.

        `sizes` are the norms of inner weights.
        """
        if self._on_device is not None:
            return sums_of([sums(z, width) for sums in self._on_device])
        return sums_of(self.tile_sums(self.tiles, z, width, sizes))

    @cached_property
    def tiles(self) -> list[Samples]:
        """The samples, as many rows at a time as one core takes."""
        n = max(1, _TILE // max(1, self.n_neurons))
        starts = range(0, len(self.rows), n)
        parts = [slice(start, start + n) for start in starts]
        return [Samples(self.rows[p], self.target[p], self.weights[p]) for p in parts]

    def tile_sums(
        self, tiles: Sequence[Samples], z: Array, width: float, sizes: Array
    ) -> list[Array]:
        """Those of :meth:`sums` for each tile, which may belong to another objective."""
        inner, outer, intercept = self.parts(z)
        kind = SparseLayer if any(issparse(tile.rows) for tile in tiles) else HiddenLayer
        layer = kind(inner, outer, width * sizes, self.problem.slope, self.rows.dtype)

        loss, scratch = self.problem.loss, self._scratch

        def loss_of(outputs: Array, target: Array) -> tuple[Array, Array]:
            outputs += intercept
            values, pull = rounded_loss(loss, self.like_targets(outputs), target, width)
            return values, pull.reshape(outputs.shape)

        def of_tile(tile: Samples) -> Array:
            if loss.is_least_squares and is_compiled() and not layer.in_numpy:
                return layer.least_squares(*tile, intercept)
            return sums_of_tile(tile, layer, loss_of, scratch)

        return shared(of_tile, tiles, layer.width)

    def with_penalty(
        self, z: Array, width: float, sizes: Array, sums: Array
    ) -> tuple[float, Array]:
        """Value and gradient of the objective, from those of the loss."""
        inner, outer, _ = self.parts(z)
        by_width, by_outer, by_inner, by_intercept, value = split_sums(
            sums, inner.shape[1], outer.shape[1]
        )
        decayed = inner * self.penalised
        penalty = 0.5 * (np.vdot(decayed, decayed) + np.vdot(outer, outer))
        gradient = np.empty(len(z))
        in_inner, in_outer, in_intercept = self.parts(gradient)
        np.multiply(inner, (by_width * width / sizes)[:, None], out=in_inner)
        in_inner += by_inner
        decayed *= self.alpha
        in_inner += decayed
        np.multiply(by_outer, (width * sizes)[:, None], out=in_outer)
        in_outer += self.alpha * outer
        np.multiply(by_intercept, self.problem.fit_intercept, out=in_intercept)
        return value + self.alpha * float(penalty), gradient

    def balanced(self, z: Array) -> Array:
        """The same function with ``‖w̃_j‖ = ‖a_j‖``."""
        inner, outer, intercept = self.parts(z)
        sizes, lengths = self._sizes(inner), norms(outer)
        common = np.sqrt(sizes * lengths)
        inner = inner * (common / _or_one(sizes))[:, None]
        outer = outer * (common / _or_one(lengths))[:, None]
        return _joined(inner, outer, intercept)

    def network(self, z: Array) -> TwoLayerNetwork:
        """The network of a point, in the units of the problem."""
        inner, outer, intercept = self.parts(z)
        lengths = norms(outer)
        return self.problem.network(
            inner / self.columns * (self.units.tau * lengths)[:, None],
            outer / _or_one(lengths)[:, None],
            self.units.center + self.units.tau * self.like_targets(intercept),
        )

    def parts(self, z: Array) -> tuple[Array, Array, Array]:
        """Inner weights, outer weights and intercepts."""
        dim, n_outputs = len(self.columns), self.problem.n_outputs
        end = (len(z) - n_outputs) // (dim + n_outputs) * dim
        inner, outer = z[:end].reshape(-1, dim), z[end:-n_outputs].reshape(-1, n_outputs)
        return inner, outer, z[-n_outputs:]

    def like_targets(self, outputs: Array) -> Array:
        """Without the last axis if there is one output."""
        return outputs[..., 0] if self.problem.n_outputs == 1 else outputs

    def _intercept(self, c: Any) -> Array:
        return np.atleast_1d((c - self.units.center) / self.units.tau)

    def _sizes(self, inner: Array) -> Array:
        """Norms of the penalised weights."""
        return norms(inner * self.penalised)


def _joined(inner: Array, outer: Array, intercept: Array) -> Array:
    return np.concatenate([inner.ravel(), outer.ravel(), intercept])


def _positive_norms(inner: Array) -> Array:
    return cast(Array, norms(inner)) + 1e-300


def _random_units(random: np.random.RandomState, n: int, dim: int) -> Array:
    if dim == 1:
        return random.choice([-1.0, 1.0], (n, 1))
    vectors = random.standard_normal((n, dim))
    return vectors / norms(vectors)[:, None]


def _or_one(sizes: Array) -> Array:
    """Divisors without zeros."""
    return np.where(sizes > 0, sizes, 1.0)
