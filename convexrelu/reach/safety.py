r"""Whether outputs of a polytope of inputs can be in an unsafe region: a proof, or an input whose output is.

With the unsafe region ``{y : C y ≤ e}`` the program is

.. math::  \max_{x \in P} \; \min_i \; (e_i - C_i f(x)) / \|C_i\|_1 .

Some output is in the region if and only if the maximum is at least zero. So a bound below zero is a proof of safety.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.reach.branch_and_bound import maximise
from convexrelu.reach.network_program import Domain, Extra, NetworkProgram
from convexrelu.reach.output_range import TOL, deadline_after
from convexrelu.reach.polytope import Polytope, as_polytope
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sharpening import domain_of

__all__ = ["Safety", "is_safe"]


@dataclass(frozen=True, eq=False)
class Safety:
    """Verdict on a region; true if and only if it is proved that no output is in it.

    Attributes
    ----------
    verdict : str
        ``"safe"``: proved. ``"unsafe"``: there is a counterexample. ``"undecided"``: time was up, or outputs touch
        the region to within rounding.
    counterexample : array of shape (d,) or None
        An input of the polytope whose output, evaluated in float64, is unsafe.
    margin : float
        Largest ``min_i (e_i − C_i y) / ‖C_i‖_1`` found: how far inside the region an output is, negative outside.
    bound : float
        Proved upper bound on it.
    n_programs : int
        Linear programs solved.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import is_safe
    >>> answer = is_safe(TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0]), ([-1.0], [1.0]), ([[-1.0]], [-0.5]))
    >>> bool(answer), answer.verdict, answer.counterexample  # y = 1 is in the region y ≥ 0.5
    (False, 'unsafe', array([1.]))
    """

    verdict: str
    counterexample: Array | None
    margin: float
    bound: float
    n_programs: int

    def __bool__(self) -> bool:
        return self.verdict == "safe"


def is_safe(
    network: Any,
    polytope: Any,
    unsafe: Any,
    *,
    time_limit: float | None = None,
) -> Safety:
    """Prove that no input of a polytope has an output in an unsafe region, or find one that has.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.
    polytope : Polytope, or pair ``(A, b)`` or ``(lower, upper)``
        Inputs; bounded.
    unsafe : Polytope, or pair ``(C, e)`` or ``(lower, upper)``
        Outputs ``{y : C y ≤ e}``, for example a half-space; it may be unbounded.
    time_limit : float, optional
        Seconds.

    Returns
    -------
    Safety
        True if it is proved to be safe.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import is_safe
    >>> tent = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])
    >>> bool(is_safe(tent, ([-1.0], [3.0]), ([[-1.0]], [-1.5])))  # y ≥ 1.5
    True
    >>> is_safe(tent, ([-1.0], [3.0]), ([[-1.0]], [-0.5])).verdict  # y ≥ 0.5
    'unsafe'
    """
    deadline = deadline_after(time_limit)
    rectifiers = as_rectifiers(network)
    inputs = as_polytope("polytope", polytope, rectifiers.n_features)
    region = as_polytope("unsafe", unsafe, rectifiers.n_outputs)
    region.check_not_empty()
    program = _program(domain_of(rectifiers, inputs, deadline), region)
    most = maximise(program, tol=TOL, deadline=deadline, enough=0.0, too_low=0.0)
    verdict = "unsafe" if most.value >= 0 else "safe" if most.bound < 0 else "undecided"
    found = most.point if verdict == "unsafe" else None
    return Safety(verdict, found, most.value, most.bound, most.nodes)


def _program(domain: Domain, region: Polytope) -> NetworkProgram:
    """``max t`` subject to ``t + C_i f(x) ≤ e_i``, for rows of norm one."""
    net = domain.network
    C, e = region.rows
    lengths = np.abs(C).sum(axis=1)
    kept = lengths > 0
    if not kept.any():
        raise ValueError("unsafe has no constraint, so that every output is in it")
    C, e, lengths = C[kept], e[kept], lengths[kept]

    def candidate(x: Array) -> tuple[float, Array]:
        return float(((e - C @ net.forward(x[None, :])[0]) / lengths).min()), x

    sizes = net.sizes(domain.lower, domain.upper)
    far = float((1.0 + np.abs(e) + np.abs(C) @ sizes).max() / lengths.min())
    G = np.column_stack([C @ net.B, C @ net.C, lengths])
    extra = Extra([-far], [far], G, e - C @ net.c)
    objective = np.append(np.zeros(net.n_features + net.n_units), 1.0)
    # Of the rows: the arrays of the network, the products above, and those of the value.
    error = float((4 * (np.abs(C) @ domain.rounding + _EPS * np.abs(e)) / lengths).max())
    return NetworkProgram(domain, objective, extra=extra, candidate=candidate, error=error)


_EPS = 4 * float(np.finfo(float).eps)
