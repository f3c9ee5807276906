"""Masters: solvers of the finite programmes, by name."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, ProgrammeSolution

__all__ = ["METHODS", "SOLVERS", "Master", "make_master", "master_of"]

Array = NDArray[np.float64]

METHODS = ("auto", "newton", "interior_point", "fista")  # native
SOLVERS = (*METHODS, "network", "cvxpy:CLARABEL", "cvxpy:ECOS", "cvxpy:SCS")


class Master(Protocol):
    """Solves finite programmes; the blocks change from call to call.

    A solver may have a ``name``, for messages, and ``support``, a :class:`~convexrelu.solvers.support.Support` that
    says what it takes. Problems that it does not take are refused before it is called. See
    :doc:`/guides/write_a_solver`.
    """

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the ReLU programme on `blocks`, perhaps from given blocks of shape (B, d̃)."""
        ...

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the gated programme on the patterns of `blocks`."""
        ...


def master_of(
    solver: str | Master, tol: float = 1e-3, device: str = "cpu", *, fixed_patterns: bool = False
) -> Master:
    """The master of that name, see :func:`make_master`, or one that was given, as it is.

    Raises
    ------
    ValueError
        For what is neither.
    """
    if isinstance(solver, str):
        return make_master(solver, tol, device, fixed_patterns=fixed_patterns)
    if not (hasattr(solver, "relu") and hasattr(solver, "gated")):
        raise ValueError(f"solver={solver!r} is neither a name nor a Master")
    return solver


def make_master(
    name: str, tol: float = 1e-3, device: str = "cpu", *, fixed_patterns: bool = False
) -> Master:
    """The master called `name`, as accurate as certificates to `tol` need it.

    With `fixed_patterns` it is none that moves patterns.

    Near the optimum the objective is flat and the bound is not: an error of ``ε²`` in the one is an error of ``ε`` in
    the other. A native master hands out its dual point and is asked for a gap of ``tol^1.5``, or a fiftieth of
    `tol`, which is little more work than one of `tol`. The other solvers know their objective only, and are
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
    # Imported here: torch and cvxpy take seconds, and a session needs one of them.
    if name == "network":
        from convexrelu.solvers.network_master import NetworkMaster

        return NetworkMaster()
    if not name.startswith("cvxpy:"):
        from convexrelu.solvers.auto_master import AutoMaster
        from convexrelu.solvers.native_master import NativeMaster

        gap = float(np.clip(min(tol**1.5, 0.02 * tol), 1e-12, 1e-3))
        native = NativeMaster(name, gap=gap, device=device)
        if name != "auto" or device != "cpu":
            return native
        reference = partial(make_master, "cvxpy:CLARABEL", tol)
        if not fixed_patterns:
            return AutoMaster(native, reference, make_network=partial(make_master, "network"))
        from convexrelu.solvers.cone_gradient_master import ConeGradientMaster

        return AutoMaster(native, reference, make_gradient=ConeGradientMaster)
    if device != "cpu":
        raise ValueError(f"device={device!r} needs a native solver, but solver={name!r}")
    from convexrelu.solvers.cvxpy_master import CvxpyMaster

    accuracy = float(np.clip((0.1 * tol) ** 2, 1e-11, 1e-8))
    return CvxpyMaster(name.removeprefix("cvxpy:"), accuracy)
