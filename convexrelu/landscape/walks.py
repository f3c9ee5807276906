"""Random, progressive and gradient walks over a loss landscape."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convexrelu._utils.arguments import as_float, check_number, check_type, is_number, shown
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["MACRO", "MICRO", "WalkProgress", "Walks", "walk"]

KINDS = ("random", "progressive", "gradient")
# Largest steps of Bosman, Engelbrecht & Helbig (2018), as shares of the range.
MICRO, MACRO = 0.01, 0.1


@dataclass(frozen=True, eq=False)
class WalkProgress:
    """State of all walks after a step, for `progress`.

    Attributes
    ----------
    step, n_steps : int
        Steps taken, and to take.
    losses : array of shape (w,)
        Present losses of the walks.
    gradient_norms : array of shape (w,)
        Present lengths of the gradients.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, walk
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="tanh")
    >>> steps = []
    >>> _ = walk(xor, n_walks=2, n_steps=3, random_state=0, progress=lambda now: steps.append(now.step))
    >>> steps
    [1, 2, 3]
    """

    step: int
    n_steps: int
    losses: Array
    gradient_norms: Array


@dataclass(frozen=True, eq=False)
class Walks:
    """Walks of one kind: losses and gradients at every step, and the points of some.

    Attributes
    ----------
    kind : str
        Kind of the walks.
    step : float
        Largest step of a coordinate, as a share of the range.
    bounds : tuple of two floats
        The range of every coordinate.
    losses, gradient_norms : arrays of shape (w, T + 1)
        For ``w`` walks of ``T`` steps, from the start on.
    points : array of shape (w, k, p)
        Points that were kept.
    kept : array of shape (k,)
        Steps of these points.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, walk
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="tanh")
    >>> walks = walk(xor, n_walks=2, n_steps=10, keep_every=5, random_state=0)
    >>> walks.kept, walks.points.shape
    (array([ 0,  5, 10]), (2, 3, 9))
    """

    kind: str
    step: float
    bounds: tuple[float, float]
    losses: Array
    gradient_norms: Array
    points: Array
    kept: np.ndarray


def walk(
    landscape: LossLandscape,
    kind: str = "gradient",
    *,
    n_walks: int = 10,
    n_steps: int | None = None,
    step: float = MICRO,
    bounds: tuple[float, float] = (-1.0, 1.0),
    keep_every: int = 1,
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[WalkProgress], None] | None = None,
) -> Walks:
    """Walk over a landscape, several walks at once.

    Every step changes every coordinate by a random length up to ``ε = step · (upper − lower)``:

    * ``"random"``: in a random direction;
    * ``"progressive"``: in the direction that this coordinate has had so far, from a corner of the box;
    * ``"gradient"``: against the sign of the gradient, ``−U(0, ε) · sign(∂L)``.

    A coordinate that would leave the box goes the other way instead; a progressive walk keeps that way.

    Parameters
    ----------
    landscape : LossLandscape
    kind : {"random", "progressive", "gradient"}
        Kind of the steps, see above.
    n_walks : int
        Number of walks.
    n_steps : int, optional
        Steps of a walk, by default ``10 / step``: 1000 micro or 100 macro steps, as in the papers.
    step : float
        Largest step as a share of the range: `MICRO` is 1 %, `MACRO` 10 %.
    bounds : (float, float)
        Lower and upper bound of every coordinate.
    keep_every : int
        Keep the points of every so many steps.
    random_state : int, RandomState or None
        Seed.
    progress : callable, optional
        Called with a :class:`WalkProgress` after every step.

    Returns
    -------
    Walks

    References
    ----------
    Bosman, Engelbrecht & Helbig 2018, "Progressive gradient walk for neural network fitness landscape analysis";
    Malan & Engelbrecht 2014, "A progressive random walk algorithm for sampling continuous fitness landscapes".

    Notes
    -----
    1000 steps of 90 walks on XOR with two hidden units (9 parameters) take a second on one core, of 350 walks on the
    iris data with four hidden units (150 samples, 35 parameters) 8 s.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, walk
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="tanh")
    >>> walks = walk(xor, "gradient", n_walks=5, n_steps=200, random_state=0)
    >>> walks.losses.shape
    (5, 201)
    >>> bool(walks.losses[:, -1].mean() < walks.losses[:, 0].mean())
    True
    """
    check_type("landscape", landscape, LossLandscape)
    generator = checked_random_state(random_state)
    _check(kind, step, bounds)
    n_steps = round(10 / step) if n_steps is None else n_steps
    for name, value in (("n_walks", n_walks), ("n_steps", n_steps), ("keep_every", keep_every)):
        check_number(name, value, numbers.Integral, 1)
    longest = step * (bounds[1] - bounds[0])
    points, ways = _starts(kind, n_walks, landscape.size, bounds, generator)
    losses, norms = np.empty((2, n_walks, n_steps + 1))
    kept = np.arange(0, n_steps + 1, keep_every)
    trail = np.empty((n_walks, len(kept), landscape.size))
    for t in range(n_steps + 1):
        losses[:, t], gradients = landscape.gradients(points)
        norms[:, t] = np.linalg.norm(gradients, axis=1)
        if t % keep_every == 0:
            trail[:, t // keep_every] = points
        if progress is not None and t:
            progress(WalkProgress(t, n_steps, losses[:, t], norms[:, t]))
        if kind == "random":
            ways = generator.choice((-1.0, 1.0), size=points.shape)
        elif kind == "gradient":
            ways = -np.sign(gradients)
        lengths = generator.uniform(0.0, longest, size=points.shape)
        points, ways = _moved(points, lengths, ways, bounds)
    return Walks(kind, step, (bounds[0], bounds[1]), losses, norms, trail, kept)


def _starts(
    kind: str,
    n_walks: int,
    size: int,
    bounds: tuple[float, float],
    generator: np.random.RandomState,
) -> tuple[Array, Array]:
    """First points and ways: anywhere, or for progressive walks near a corner, with the way that leads from it."""
    low, high = bounds
    points = generator.uniform(low, high, size=(n_walks, size))
    ways = generator.choice((-1.0, 1.0), size=points.shape)
    if kind == "progressive":
        middle, half = (low + high) / 2, (high - low) / 2
        points = middle - ways * generator.uniform(0.0, half, size=points.shape)
    return points, ways


def _moved(
    points: Array, lengths: Array, ways: Array, bounds: tuple[float, float]
) -> tuple[Array, Array]:
    """Next points and the ways that were taken; a step is at most half of the range, so one of two ways is open."""
    moved = points + lengths * ways
    outside = (moved < bounds[0]) | (moved > bounds[1])
    ways = np.where(outside, -ways, ways)
    return points + lengths * ways, ways


def _check(kind: str, step: float, bounds: tuple[float, float]) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not one of {', '.join(KINDS)}")
    if not is_number(step) or not 0 < as_float(step) <= 0.5:
        raise ValueError(f"step={shown(step)} is not a share of the range in (0, 0.5]")
    pair = isinstance(bounds, tuple | list) and len(bounds) == 2 and all(map(is_number, bounds))
    if not pair or not np.isfinite(bounds).all() or bounds[0] >= bounds[1]:
        raise ValueError(f"bounds={shown(bounds)} are not a finite lower and a larger upper bound")
