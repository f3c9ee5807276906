"""Bounds on the arguments of rectifiers: intervals, sharpened by linear programs where these know more."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.network_program import Domain, NetworkProgram
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import EPS, Rectifiers
from convexrelu.reach.safe_program import Bounds

__all__ = ["domain_of"]


def domain_of(network: Rectifiers, polytope: Polytope, deadline: float = math.inf) -> Domain:
    """A network over a polytope. Programs sharpen the intervals of later layers, and those of more than a box.

    At most half of the time until the deadline, of :func:`time.perf_counter`, is spent; what is left over has the
    bounds of interval arithmetic.
    """
    started = time.perf_counter()
    deadline = started + (deadline - started) / 2
    lower, upper = polytope.box(deadline)
    domain = Domain(network, polytope, lower, upper, *network.intervals(lower, upper))
    for layer in network.layers():
        if layer.start > 0 or len(polytope.A):
            units = np.arange(layer.start, layer.stop)[domain.undecided[layer]]
            if len(units) and time.perf_counter() < deadline:
                domain = _narrowed(domain, units, deadline)
    return domain


def _narrowed(domain: Domain, units: NDArray, deadline: float) -> Domain:
    """The domain with the arguments of these units bounded by programs over what comes before them."""
    net, size = domain.network, domain.network.n_features + domain.network.n_units
    program = NetworkProgram(domain, np.zeros(size))
    bounds = program.bounds(np.zeros(net.n_units, dtype=np.int8))
    low, high = domain.low.copy(), domain.high.copy()
    reach = np.maximum(np.abs(domain.lower), np.abs(domain.upper))
    reach = np.concatenate([reach, np.maximum(domain.high, 0.0)])
    for j in units:
        if time.perf_counter() > deadline:
            break
        row = np.concatenate([net.P[j], net.Q[j]])
        pad = 8 * size * EPS * (np.abs(row) @ reach + abs(net.p[j]))
        high[j] = min(high[j], _most(program, row, bounds, deadline) + net.p[j] + pad)
        low[j] = max(low[j], net.p[j] - _most(program, -row, bounds, deadline) - pad)
    low, high = net.intervals(domain.lower, domain.upper, (low, np.maximum(low, high)))
    return replace(domain, low=low, high=high)


def _most(program: NetworkProgram, row: Array, bounds: Bounds, deadline: float) -> float:
    return program.linear.maximise(row, bounds, deadline=deadline).bound
