"""A point of the surface with the kinks that are active there: gradient, normals, and the way to the nearest kink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.landscape.vertices.surface import ACTIVE, OF_RESIDUAL, Kinks, L1Surface

__all__ = ["Point", "Stop", "nearest_kink"]

# A rate below this fraction of the lengths involved may be rounding, as of kinks that depend on the active ones.
_LEVEL = 1e-13


class Stop(NamedTuple):
    """The first kink along a ray, ``length`` times its direction away."""

    length: float
    sample: int
    neuron: int


@dataclass(frozen=True, eq=False)
class Point:
    """Hidden weights, active kinks, and what follows from them.

    Attributes
    ----------
    W : array of shape (m, d̃)
    moving : boolean array of shape (m,)
        Neurons that contribute and move. The outputs of the others are zero.
    kinks : Kinks
        Active ones that have been chosen: of moving neurons and of residuals, with independent normals.
    z, r : arrays of shape (n, m) and (n,)
        Hidden outputs and residuals.
    slopes : array of shape (n, m)
        Slopes of the activation; at active kinks those on the left.
    signs : array of shape (n,)
        Signs of the residuals, zero at active kinks.
    """

    surface: L1Surface
    W: Array
    moving: NDArray[np.bool_]
    kinks: Kinks
    z: Array
    r: Array
    slopes: Array
    signs: Array

    @classmethod
    def at(cls, surface: L1Surface, W: Array, moving: NDArray[np.bool_], kinks: Kinks) -> Point:
        """The point with these weights."""
        z = surface.hidden(W)
        r = surface.residuals(z)
        slopes = np.where(z > 0, 1.0, surface.slope)
        signs = np.sign(r)
        hidden = kinks.neurons != OF_RESIDUAL
        critical = np.zeros(z.shape, dtype=bool)
        critical[surface.group[kinks.samples[hidden]], kinks.neurons[hidden]] = True
        slopes[critical[surface.group]] = surface.slope
        signs[kinks.samples[~hidden]] = 0.0
        return cls(surface, W, moving, kinks, z, r, slopes, signs)

    @property
    def loss(self) -> float:
        """Mean absolute error."""
        return self.surface.loss(self.r)

    @property
    def rounding(self) -> float:
        """What rounding may change in the loss."""
        return self.surface.rounding(self._moving_weights)

    @property
    def _moving_weights(self) -> Array:
        """The weights, zero where neurons do not move: those may have any size."""
        return np.where(self.moving[:, None], self.W, 0.0)

    @property
    def n_variables(self) -> int:
        """``N``, the weights of moving neurons."""
        return int(self.moving.sum()) * self.W.shape[1]

    def gradient(self) -> Array:
        """Of the residuals that are not zero, by the weights of moving neurons, of shape (N,)."""
        s = self.surface
        pull = (
            (self.signs * s.weights)[:, None] * self.slopes[:, self.moving] * s.outer[self.moving]
        )
        return (pull.T @ s.design).ravel()

    def normals(self) -> Array:
        """Normals of the active kinks as rows, of shape (k, N)."""
        s, (samples, neurons) = self.surface, self.kinks
        factors = np.zeros((len(samples), len(self.W)))
        of_residuals = neurons == OF_RESIDUAL
        hidden = np.flatnonzero(~of_residuals)
        factors[hidden, neurons[hidden]] = 1.0
        factors[of_residuals] = self.slopes[samples[of_residuals]] * s.outer
        rows = factors[:, self.moving, None] * s.design[samples][:, None, :]
        return rows.reshape(len(samples), self.n_variables)

    def levels(self) -> Array:
        """Right-hand sides of the equations ``normal · w = level`` of the active kinks."""
        targets = self.surface.targets[self.kinks.samples]
        return np.where(self.kinks.neurons == OF_RESIDUAL, targets, 0.0)

    def with_moving(self, weights: Array) -> Array:
        """The weights with those of moving neurons replaced."""
        W = self.W.copy()
        W[self.moving] = weights.reshape(-1, W.shape[1])
        return W

    def spread(self, direction: Array) -> Array:
        """A direction of moving neurons as one of all, of shape (m, d̃)."""
        spread = np.zeros_like(self.W)
        spread[self.moving] = direction.reshape(-1, self.W.shape[1])
        return spread

    def n_active(self, tol: float = ACTIVE) -> int:
        """Kinks of moving neurons and of residuals that are active, chosen or not, up to rounding.

        A residual does not count where all neurons are inactive by more than rounding: it is constant nearby.
        """
        hidden, residuals = self.surface.nearly_zero(self._moving_weights, self.z, self.r, tol)
        hidden = hidden[:, self.moving]
        changes = (hidden | (self.slopes[:, self.moving] != 0)).any(axis=1)
        return int(hidden[self.surface.leads].sum() + (residuals & changes).sum())


def nearest_kink(point: Point, direction: Array, slopes: Array) -> Stop | None:
    """The first kink that is not active and that a ray meets, or None if there is none.

    Parameters
    ----------
    point : Point
    direction : array of shape (m, d̃)
    slopes : array of shape (n, m)
        Slopes of the activation along the ray.
    """
    surface, kinks = point.surface, point.kinks
    dz = surface.hidden(direction)
    dr = (slopes * dz) @ surface.outer
    sizes = norms(direction)
    still = _LEVEL * surface.lengths
    hidden = kinks.neurons != OF_RESIDUAL
    if surface.bend:
        times = _times(point.z, dz, np.outer(still, sizes))
        times[~surface.leads] = np.inf
        times[kinks.samples[hidden], kinks.neurons[hidden]] = np.inf
        place = int(times.argmin())
        of_hidden = Stop(float(times.flat[place]), *divmod(place, times.shape[1]))
    else:
        of_hidden = Stop(np.inf, 0, 0)
    times = _times(point.r, dr, still * (np.abs(surface.outer) @ sizes))
    times[kinks.samples[~hidden]] = np.inf
    sample = int(times.argmin())
    of_residual = Stop(float(times[sample]), sample, OF_RESIDUAL)
    stop = min(of_hidden, of_residual)
    return stop if np.isfinite(stop.length) else None


def _times(values: Array, rates: Array, still: Array) -> Array:
    """When values with these rates are zero: infinite where they move away, or the rates may be rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        times = -values / rates
    return np.where((values * rates < 0) & (np.abs(rates) > still), times, np.inf)
