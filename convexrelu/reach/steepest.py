r"""Search for inputs at which the Jacobian of a network is large: these are the values that bounds are compared with.

In a two-layer network the activities in ``J = J_0 + Σ t_j U_j`` are replaced by sigmoids ``t_j = σ(β z_j)``. Gradient
steps on the norm, with ``β`` growing, lead many starts at once into cells of large norm. It is a search only: what it
finds is evaluated at the inputs themselves. Networks of more layers are searched by random steps that become shorter.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.special import expit

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.reach.cells import Cell, CellTree
from convexrelu.reach.slopes import Slopes

__all__ = ["Climber"]

_MANY = 16  # rectifiers from which on gradient steps are worth their time
_STARTS = 128
_STEPS = 120
_LENGTHS = (0.1, 0.01)  # of steps, on the unit sphere
_SHARPNESS = (1.0, 20.0)  # of sigmoids, in standard deviations of z on the sphere
_SAMPLES = 256  # of random steps
_RANDOM_STEPS = 30
_POLISH = 0.1  # of the first random step after gradient steps
_INSIDE = 1e-9


class Climber:
    """Homogeneous points of large norms, none of them outside the polytope."""

    def __init__(self, tree: CellTree, slopes: Slopes, root: Cell, deadline: float) -> None:
        self.tree, self.slopes, self.root, self.deadline = tree, slopes, root, deadline
        self.rng = np.random.default_rng(0)
        self.start = np.asarray(root.point)
        self.has_gradients = slopes.is_zonotope and len(root.layer.rows) >= _MANY

    def point(self) -> Array:
        """The best point of a search from somewhere near the centre."""
        if not self.has_gradients:
            return self._polished(self.start, 1.0)
        return self._polished(self._by_gradients(), _POLISH)

    def _by_gradients(self) -> Array:
        start, rows = self.start, self.root.layer.rows
        points = _on_sphere(start / norms(start) + self.rng.standard_normal((_STARTS, len(start))))
        points[np.logical_not(_inside(self.tree, points))] = start / norms(start)
        best, here = -1.0, start
        lengths = np.geomspace(*_LENGTHS, _STEPS)
        sharpness = np.geomspace(*_SHARPNESS, _STEPS) * np.sqrt(len(start))
        for length, beta in zip(lengths, sharpness, strict=True):
            if time.perf_counter() > self.deadline:
                break
            z = points @ rows.T
            values = self.slopes.of_many(z > 0)
            if values.max() > best:
                best, here = values.max(), points[values.argmax()]
            parts = expit(beta * z)
            gains = parts * (1 - parts) * self.slopes.along_steepest(parts)
            moved = _on_sphere(points + length * _on_sphere(gains @ rows))
            inside = _inside(self.tree, moved)
            points[inside] = moved[inside]
        return np.asarray(here)

    def _polished(self, here: Array, width: float) -> Array:
        """The best point of random steps that become shorter."""
        best, here = -1.0, here / np.abs(here).max()
        net = self.tree.network
        # Jacobians of all samples, layer after layer.
        work = _SAMPLES * (net.C.size + net.Q.size / 2) * net.n_features
        for step in width * np.geomspace(1.0, 1e-3, _RANDOM_STEPS):
            if time.perf_counter() > self.deadline or not product_fits(work, self.deadline):
                break
            points = here + step * self.rng.standard_normal((_SAMPLES, len(here)))
            points[0] = here
            points /= np.maximum(np.abs(points).max(axis=1), 1.0)[:, None]
            points = points[_inside(self.tree, points)]
            if not len(points):
                continue
            active = self.tree.network.arguments(self.tree.inputs(points)) > 0
            values = self.slopes.of_many(active)
            if values.max() > best:
                best, here = values.max(), points[values.argmax()]
        return here


def _inside(tree: CellTree, points: Array) -> Array:
    return np.asarray((points @ tree.domain.T > _INSIDE).all(axis=1))


def _on_sphere(points: Array) -> Array:
    return np.asarray(points / np.maximum(norms(points), np.finfo(float).tiny)[:, None])
