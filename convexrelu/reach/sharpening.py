"""Bounds on the arguments of rectifiers, from linear programs: over a polytope, or where a question has better values.

An input where the program's bound is below a value that is already reached cannot be better. The other inputs satisfy one more linear
constraint, ``objective ≥ value``. Over them, arguments have smaller ranges, fewer rectifiers are undecided, and the
chords of the others are lower (optimality-based bound tightening).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.reach.network_program import Domain, Extra, NetworkProgram
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import EPS, Rectifiers

__all__ = ["domain_of", "sharpened"]


def domain_of(network: Rectifiers, polytope: Polytope) -> Domain:
    """A network over a polytope. Beyond the first layer, and where there is more than a box, programs sharpen intervals."""
    lower, upper = polytope.box()
    domain = Domain(network, polytope, lower, upper, *network.intervals(lower, upper))
    for layer in network.layers():
        if layer.start > 0 or len(polytope.A):
            units = np.arange(layer.start, layer.stop)[domain.undecided[layer]]
            nothing = np.zeros(network.n_features + network.n_units)
            program = NetworkProgram(domain, nothing)
            domain = _narrowed(domain, units, _bound_by(program))
    return domain


def sharpened(program: NetworkProgram, value: float) -> Domain | None:
    """The inputs with better values than this one, and bounds over them; None if it is proved that there are none."""
    domain, extra = program.domain, program.extra
    size = np.abs(program.objective).sum()
    floor = value - program.constant - program.error
    floor -= 4 * EPS * (abs(value) + abs(program.constant) + size)
    cut = Extra(
        extra.lower,
        extra.upper,
        np.vstack([extra.G, -program.objective]),
        np.append(extra.g, -floor),
    )
    question = NetworkProgram(domain, np.zeros(program.objective.size), extra=cut)
    bound_of = _bound_by(question)
    box = []
    for sign in (-1.0, 1.0):
        box.append([sign * bound_of(row) for row in sign * np.eye(program.d, program.objective.size)])
    lower, upper = np.maximum(box[0], domain.lower), np.minimum(box[1], domain.upper)
    if (lower > upper).any():
        return None
    within = Domain(domain.network, domain.polytope, lower, upper, domain.low, domain.high)
    narrow = _narrowed(within, np.flatnonzero(domain.undecided), bound_of, len(extra.lower))
    return None if (narrow.low > narrow.high).any() else narrow


def _bound_by(program: NetworkProgram) -> Callable[[Array], float]:
    """Upper bounds on linear functions over the relaxation of a program without decisions."""
    undecided = np.zeros(program.m, dtype=np.int8)
    bounds = program.bounds(undecided)
    return lambda row: program.linear.maximise(row, bounds).bound


def _narrowed(
    domain: Domain, units: Array, bound_of: Callable[[Array], float], n_extra: int = 0
) -> Domain:
    """The domain with the arguments of these units bounded by programs."""
    net, size = domain.network, domain.network.n_features + domain.network.n_units
    low, high = domain.low.copy(), domain.high.copy()
    reach = np.concatenate([_reach(domain), np.maximum(domain.high, 0.0)])
    for j in units:
        row = np.concatenate([net.P[j], net.Q[j], np.zeros(n_extra)])
        pad = 8 * size * EPS * (np.abs(row[:size]) @ reach + abs(net.p[j]))
        high[j] = min(high[j], bound_of(row) + net.p[j] + pad)
        low[j] = max(low[j], net.p[j] - bound_of(-row) - pad)
    low, high = net.intervals(domain.lower, domain.upper, (low, high))
    return Domain(net, domain.polytope, domain.lower, domain.upper, low, high)


def _reach(domain: Domain) -> Array:
    return np.maximum(np.abs(domain.lower), np.abs(domain.upper))
