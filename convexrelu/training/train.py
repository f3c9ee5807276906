"""Train a network from a problem, with its certificate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.threads import one_blas_thread
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.solvers.base import ProgramSolver
from convexrelu.training.session import Session

__all__ = ["train"]


def train(
    problem: TrainingProblem,
    *,
    patterns: str | ArrayLike = "cutting_plane",
    n_patterns: int = 100,
    solver: str | ProgramSolver = "auto",
    effort: str = "certify",
    oracle: str | Oracle | OracleFactory = "auto",
    tol: float = 1e-3,
    max_iter: int = 30,
    time_limit: float | None = None,
    start: TwoLayerNetwork | str | None = "descent",
    device: str = "cpu",
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train a two-layer network by convex optimisation.

    Parameters
    ----------
    problem : TrainingProblem
        Data, loss and penalty.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃)
        ``"cutting_plane"`` generates patterns until the gap is closed; ``"sampled"`` uses those
        of random gates; ``"enumerated"`` uses all; an array gives the gates.
    n_patterns : int
        Number of gates that ``"sampled"`` draws.
    solver : str or ProgramSolver
        ``"auto"``, ``"newton"``, ``"interior_point"`` or ``"fista"`` (see
        :class:`~convexrelu.solvers.native.solver.NativeSolver`); ``"network"``, which trains the network; the
        references ``"cvxpy:CLARABEL"``, ``"cvxpy:ECOS"`` and ``"cvxpy:SCS"``; or a
        :class:`~convexrelu.solvers.ProgramSolver` instance: see :doc:`/guides/write_a_solver`.
    effort : {"predict", "certify", "prove"}
        How much work goes into ``"cutting_plane"``. ``"predict"``, for networks of which only the predictions matter:
        training ends when a round lowers the objective by less than a hundredth (with more than 5000 samples, after
        descent on mini-batches), and the bound is that of a short search. ``"certify"``: until the gap is at most
        `tol`; the bound is proved where a proof takes seconds, and otherwise an estimate. ``"prove"``: until a gap of
        `tol` is proved, however long it takes; set `time_limit`.
    oracle : {"auto", "sweep", "cells", "branch_and_bound", "affine", "semidefinite", "search", "quick", "spike_free", \
            "prove"}, Oracle or OracleFactory
        Pricing of ``"cutting_plane"``, instead of the one that `effort` stands for, see
        :func:`convexrelu.oracles.selection.choose_oracles`; or a custom oracle, which finds cuts and gives the final
        bound: see :doc:`/guides/write_an_oracle`.
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Largest number of finite programs solved by ``"cutting_plane"``.
    time_limit : float, optional
        Seconds; rounds of cutting planes end after nine tenths of them, and the rest is for the final certificate.
        The result is the best network so far.
    start : TwoLayerNetwork, "descent" or None
        Start of ``"cutting_plane"``: the patterns of a network, such as one from a short L-BFGS run by
        :func:`~convexrelu.solvers.nonconvex.descent.descend`; or no pattern.
    device : str
        Torch device of descent, native solvers and searches, such as ``"cuda"``; see the page on larger data.
    random_state : int, RandomState or None
        Seed of gates, of searches, and of the first weights of descent.
    progress : callable, optional
        Called with a :class:`~convexrelu.results.Round` after every round. When it returns True, training ends with the
        best network so far, its certificate, and ``Status.STOPPED``. If it has a method ``proof``, that is called every
        few seconds of a long proof by branch and bound, with a :class:`~convexrelu.oracles.ProofProgress`:
        ``progress=ProgressPrinter()`` shows both.

    Returns
    -------
    Result
        Network, certificate, status, history.

    Warns
    -----
    SolverWarning
        If the solver of the last finite program did not end as it should. If it reports an inaccurate
        solution, this warns only where the gap, computed here, is above `tol`.

    Raises
    ------
    ValueError
        For an invalid argument; the message names it.
    KeyboardInterrupt
        If interrupted before there is a network. From the first steps of descent on, the best network so far is
        returned, with ``Status.INTERRUPTED``.

    Notes
    -----
    Problems with a closed form, see :func:`~convexrelu.closed_forms.closed_form_for`, are solved by it, whatever the
    start, if patterns, solver and oracle are left at "auto" (or the oracle is ``"quick"``).

    The certificate of fixed patterns is of scope ``"program"``: it concerns only networks with
    these patterns. For several outputs, the directions of outer weights are generated for fixed patterns
    as cutting planes are.

    References
    ----------
    Pilanci & Ergen 2020, "Neural Networks are Convex Regularizers"; Ergen & Pilanci 2021, "Convex
    Geometry and Duality of Over-parameterized Neural Networks".

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> result = train(TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3), tol=1e-6, random_state=0)
    >>> result.status.name, result.certificate.is_proof, result.network.width
    ('CONVERGED', True, 2)
    """
    with one_blas_thread():
        session = Session(
            problem,
            patterns=patterns,
            n_patterns=n_patterns,
            solver=solver,
            effort=effort,
            oracle=oracle,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            device=device,
            random_state=random_state,
            progress=progress,
        )
        return session.train(problem.alpha, start)
