"""The hyperplanes on which the neurons of a network bend, as rows of integers in units of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.arguments import as_float, check_choice, is_number, shown
from convexrelu._utils.typing import Array
from convexrelu.networks.gates import NetworkOfGates
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.regions.arrangement import distinct_rows
from convexrelu.regions.domains import Row, primitive

__all__ = ["TOL", "Hyperplanes", "as_two_layer", "checked_tol"]

# Differences of rows that count as rounding: four thousand times that of one number, for what intersections of several
# hyperplanes make of it. In twelve Gaussian networks of up to sixty thousand regions, nothing else merges below 1e-7.
TOL = 1e-12
_SWEEPS = 20  # of the fit of scales: one is enough where no weight is zero
KINDS = ("neurons", "function")


@dataclass(frozen=True, eq=False)
class Hyperplanes:
    """Distinct hyperplanes ``{x : w·x + b = 0}`` of neurons.

    In the coordinates ``ξ`` of `rows`, ``x = 2^scales ξ``, the entries of a row are about as large as each other: the
    unit of length is about the distance of hyperplanes from the origin. The rows are exact.

    Attributes
    ----------
    weights, bias : arrays of shape (h, d) and (h,)
        Of the first neuron on every hyperplane.
    rows : list of h tuples of d + 1 integers
    scales : array of shape (d,)
        Logarithms to base 2 of the units of the coordinates.
    neurons : array of shape (m,)
        Hyperplane of each neuron; −1 for neurons without one: those without weights, and those that do not bend.
    signs : array of shape (m,)
        1 where a neuron points as its hyperplane does, −1 where the other way.
    """

    weights: Array
    bias: Array
    rows: list[Row]
    scales: Array
    neurons: NDArray[np.intp]
    signs: NDArray[np.intp]

    @property
    def n_features(self) -> int:
        """Number of coordinates ``d``."""
        return self.weights.shape[1]

    def __len__(self) -> int:
        return len(self.bias)

    @classmethod
    def of(cls, network: Any, *, of: str = "neurons", tol: float = TOL) -> Hyperplanes:
        """Hyperplanes of a network.

        Parameters
        ----------
        network : TwoLayerNetwork, GatedNetwork, ThresholdNetwork or what :func:`as_two_layer` takes
        of : {"neurons", "function"}
            All of them, or those across which the gradient of the function jumps.
        tol : float
            Largest difference of rows that are the same hyperplane.
        """
        check_choice("of", of, KINDS)
        tol = checked_tol(tol)
        if isinstance(network, NetworkOfGates):
            if of == "function":
                raise ValueError(
                    f"of='function' is for networks of ReLU units; {type(network).__name__} has jumps"
                )
            return cls._of_gates(network, tol)
        network = as_two_layer(network)
        bends = np.full(network.width, network.negative_slope != 1.0)
        found = cls._distinct(network.hidden_weights, network.hidden_bias, bends, tol)
        return found if of == "neurons" else found._where_gradients_jump(network, tol)

    @classmethod
    def _of_gates(cls, network: NetworkOfGates, tol: float) -> Hyperplanes:
        gates = np.asarray(network.gates, dtype=np.float64)
        if not np.isfinite(gates).all():
            raise ValueError("network has gates with NaN or infinity; they must be finite")
        weights = gates[:, :-1] if network.hidden_bias else gates
        bias = gates[:, -1] if network.hidden_bias else np.zeros(len(gates))
        return cls._distinct(weights, bias, np.ones(len(gates), dtype=bool), tol)

    @classmethod
    def _distinct(
        cls, weights: Array, bias: Array, bends: NDArray[np.bool_], tol: float
    ) -> Hyperplanes:
        """One hyperplane for all neurons that have the same."""
        m = len(weights)
        alive = np.flatnonzero(weights.any(axis=1) & bends)
        scales = _scales(weights[alive], bias[alive])
        rows = _rows(weights[alive], bias[alive], scales)
        found = distinct_rows(rows, tol)
        first = sorted({leader for leader, _ in found})
        place = {leader: index for index, leader in enumerate(first)}
        neurons, signs = np.full(m, -1), np.ones(m, dtype=np.intp)
        neurons[alive] = [place[leader] for leader, _ in found]
        signs[alive] = [sign for _, sign in found]
        kept = alive[first]
        rows = [rows[leader] for leader in first]
        return cls(weights[kept], bias[kept], rows, scales, neurons, signs)

    def _where_gradients_jump(self, network: TwoLayerNetwork, tol: float) -> Hyperplanes:
        """Those with ``Σ |w_j| a_j ≠ 0``, summed over their neurons; up to ``tol Σ |w_j| |a_j|``."""
        jumps = np.zeros(len(self), dtype=bool)
        for index in range(len(self)):
            members = np.flatnonzero(self.neurons == index)
            pivot = int(np.abs(self.weights[index]).argmax())
            sizes = [Fraction(abs(w)) for w in network.hidden_weights[members, pivot].tolist()]
            for outer in network.output_weights[:, members].tolist():
                terms = [size * Fraction(a) for size, a in zip(sizes, outer, strict=True)]
                most = Fraction(tol) * sum(map(abs, terms), Fraction(0))
                jumps[index] |= abs(sum(terms, Fraction(0))) > most
        return self.select(np.flatnonzero(jumps))

    def select(self, kept: NDArray[np.intp]) -> Hyperplanes:
        """Some of the hyperplanes."""
        places = np.full(len(self) + 1, -1)
        places[kept] = np.arange(len(kept))
        return Hyperplanes(
            self.weights[kept],
            self.bias[kept],
            [self.rows[index] for index in kept],
            self.scales,
            places[self.neurons],
            self.signs,
        )

    def powers(self) -> list[Fraction]:
        """Lengths of the units of the coordinates, in those of the inputs."""
        return [Fraction(2) ** int(scale) for scale in self.scales]

    def unscaled_rows(self) -> list[Row]:
        """Integer rows in the coordinates of the inputs."""
        return _rows(self.weights, self.bias, np.zeros(self.n_features))


def as_two_layer(network: Any) -> TwoLayerNetwork:
    """A two-layer network, or that of a fitted estimator, of a torch module or of an MLP of scikit-learn."""
    network = getattr(network, "network_", network)
    if isinstance(network, TwoLayerNetwork):
        return network
    if any(kind.__module__.split(".")[0] == "torch" for kind in type(network).__mro__):
        return TwoLayerNetwork.from_torch(network)
    if hasattr(network, "coefs_"):
        return TwoLayerNetwork.from_sklearn(network)
    raise ValueError(
        f"network is a {type(network).__name__}, expected a TwoLayerNetwork, a fitted estimator, "
        "or a torch module of two linear layers"
    )


def checked_tol(tol: Any) -> float:
    """A tolerance: a number from 0 up to one hundredth."""
    if not is_number(tol) or not 0 <= as_float(tol) <= 0.01:
        raise ValueError(f"tol={shown(tol)} is not a number between 0 and 0.01")
    return as_float(tol)


def _scales(weights: Array, bias: Array) -> Array:
    """Powers of two for the features that make weights and biases of the neurons about one.

    Logarithms of the entries that are not zero are fitted by the sum of one number a neuron and one a column, by least
    squares: scaling a neuron or a column only shifts them.
    """
    m, d = weights.shape
    if not m or not d:
        return np.zeros(d)
    with np.errstate(divide="ignore"):
        sizes = np.log2(np.abs(np.column_stack([weights, bias])))
    known = np.isfinite(sizes)
    sizes = np.where(known, sizes, 0.0)
    in_row, in_column = known.sum(axis=1), np.maximum(known.sum(axis=0), 1)
    columns = np.zeros(d + 1)
    for _ in range(_SWEEPS):
        rows = (sizes - known * columns).sum(axis=1) / in_row
        columns = (sizes - known * rows[:, None]).sum(axis=0) / in_column
    return np.round(columns[-1] - columns[:-1])


def _rows(weights: Array, bias: Array, scales: Array) -> list[Row]:
    """Integer rows of ``w·(2^scales ξ) + b = 0``."""
    powers = [Fraction(2) ** int(scale) for scale in scales]
    rows = []
    for inner, offset in zip(weights.tolist(), bias.tolist(), strict=True):
        entries = [Fraction(w) * power for w, power in zip(inner, powers, strict=True)]
        entries.append(Fraction(offset))
        scale = math.lcm(*(entry.denominator for entry in entries))
        rows.append(primitive([int(entry * scale) for entry in entries]))
    return rows
