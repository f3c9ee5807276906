"""Program solvers by name."""

from __future__ import annotations

from functools import partial

import numpy as np

from convexrelu.solvers.automatic import AutomaticSolver
from convexrelu.solvers.base import SOLVERS, ProgramSolver

__all__ = ["make_solver", "master_of"]


def master_of(
    solver: str | ProgramSolver,
    tol: float = 1e-3,
    device: str = "cpu",
    *,
    fixed_patterns: bool = False,
) -> ProgramSolver:
    """The solver with that name, see :func:`make_solver`, or the given solver unchanged.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(solver, str):
        return make_solver(solver, tol, device, fixed_patterns=fixed_patterns)
    if not (hasattr(solver, "relu") and hasattr(solver, "gated")):
        raise ValueError(f"solver={solver!r} is neither a name nor a ProgramSolver")
    return solver


def make_solver(
    name: str, tol: float = 1e-3, device: str = "cpu", *, fixed_patterns: bool = False
) -> ProgramSolver:
    """The solver called `name`, accurate enough for certificates to `tol`.

    With `fixed_patterns`, solvers that move patterns are excluded.

    Near the optimum the objective is flat and the bound is not: an error of ``ε²`` in the one is an error of ``ε`` in
    the other. A native solver returns its dual point and is asked for a gap of ``tol^1.5``, or a fiftieth of
    `tol`, which is little more work than one of `tol`. The other solvers return only their objective, and are
    asked for the square of a tenth of `tol`.

    Raises
    ------
    ValueError
        For an unknown name, a solver that is not installed, or a device that it cannot use.
    """
    if name not in SOLVERS:
        raise ValueError(
            f"solver={name!r} is not known; available: {', '.join(map(repr, SOLVERS))}"
        )
    # Imported where they are made: torch and cvxpy take seconds, and a session needs one of them or none.
    if name == "network":
        from convexrelu.solvers.nonconvex.network_solver import NetworkSolver

        return NetworkSolver(device=device)
    if not name.startswith("cvxpy:"):
        gap = float(np.clip(min(tol**1.5, 0.02 * tol), 1e-12, 1e-3))
        native = partial(_native, name, gap, device)
        if name != "auto" or device != "cpu":
            return native()
        reference = partial(make_solver, "cvxpy:CLARABEL", tol)
        if not fixed_patterns:
            return AutomaticSolver(native, reference, make_network=partial(make_solver, "network"))
        return AutomaticSolver(native, reference, make_gradient=_cone_gradient)
    if device != "cpu":
        raise ValueError(f"device={device!r} needs a native solver, but solver={name!r}")
    from convexrelu.solvers.reference import CvxpySolver

    accuracy = float(np.clip((0.1 * tol) ** 2, 1e-11, 1e-8))
    return CvxpySolver(name.removeprefix("cvxpy:"), accuracy)


def _native(name: str, gap: float, device: str) -> ProgramSolver:
    from convexrelu.solvers.native.solver import NativeSolver

    return NativeSolver(name, gap=gap, device=device)


def _cone_gradient() -> ProgramSolver:
    from convexrelu.solvers.first_order.cone_gradient import ConeGradientSolver

    return ConeGradientSolver()
