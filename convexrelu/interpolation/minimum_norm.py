"""Interpolation at the smallest norm: the limit of training as the penalty goes to zero."""

from __future__ import annotations

import math
import numbers
import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from convexrelu._utils.arguments import check_choice, check_number
from convexrelu._utils.threads import one_blas_thread
from convexrelu.certificates.certificate import Certificate
from convexrelu.interpolation.column_generation import InterpolationByPatterns
from convexrelu.interpolation.norm_certificate import MET, Found, miss, norm
from convexrelu.interpolation.on_line import interpolate_on_line
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import SpikeFreeOracle
from convexrelu.oracles.for_problem import oracles_for, relaxation_for
from convexrelu.oracles.selection import OraclePair
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import blocks_of
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.solvers.nonconvex.descent import descend

__all__ = ["minimum_norm"]

# Penalty of the descent that provides first patterns, as a fraction of the smallest one without neurons.
_FIRST_ALPHA = 1e-4


def minimum_norm(
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str = "squared_error",
    hidden_bias: bool | str = True,
    fit_intercept: bool = True,
    oracle: str = "auto",
    tol: float = 1e-6,
    max_iter: int = 30,
    time_limit: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Result:
    r"""The network of smallest norm among networks of any width that meet all targets.

    ::

        N = min  Σ_j ‖w̃_j‖ |a_j|     s.t.  f(x_i) = y_i       (``"hinge"``: y_i f(x_i) ≥ 1)
          = max  vᵀy                  s.t.  M(v) ≤ 1,  1ᵀv = 0 with an intercept   (``"hinge"``: y_i v_i ≥ 0)

    This is the limit of training as ``alpha → 0`` (Ergen & Pilanci 2021, the equality-constrained problem; ``M`` is
    that of :class:`~convexrelu.TrainingProblem`). Any ``v`` with ``1ᵀv = 0`` gives the lower bound ``vᵀy/M(v)``.

    * Samples on a line with free biases: straight lines between the targets, ``N = ½V + ½ max(V, |s_1 + s_last|)`` with
      slopes ``s`` of total variation ``V``; for the hinge loss a :class:`~convexrelu.closed_forms.SplineProgram`.
    * Spike-free data, including whitened data: two neurons that are active on all samples.
    * Otherwise patterns are generated, as by cutting planes: every ``u`` with ``|vᵀ relu(X̃u)| > 1`` gives one. The
      oracle determines whether the bound is a proof.

    Parameters
    ----------
    X : array of shape (n, d)
        Inputs.
    y : array of shape (n,)
        Targets, for the hinge loss −1 and 1.
    loss : {"squared_error", "hinge"}
        Whether targets are met exactly, or with a margin of one.
    hidden_bias : bool or "free"
        Whether neurons have a bias, penalised or free; free ones require samples on a line, and an intercept.
    fit_intercept : bool
        Whether there is an intercept.
    oracle : str
        Oracle for pricing, see :func:`~convexrelu.oracles.selection.choose_oracles`.
    tol : float
        Relative gap to reach.
    max_iter : int
        Largest number of programs to solve.
    time_limit : float, optional
        Seconds for generating patterns.
    random_state : int, RandomState or None
        Seed of first patterns and searches.

    Returns
    -------
    Result
        Its certificate is about the norm: ``objective`` is ``Σ_j ‖w̃_j‖ |a_j|`` of the network, ``lower_bound`` bounds
        that of every network that meets the targets. The network meets them within 1e-6 of their spread.

    Raises
    ------
    ValueError
        For bad data; several outputs; free biases without samples on a line; or targets that no network was found to
        meet, such as different targets for equal samples.
    KeyboardInterrupt
        If interrupted before there is a network; later on, the result has ``Status.INTERRUPTED``.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.interpolation import minimum_norm
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> result = minimum_norm(X, [0.0, 1.0, 0.0], hidden_bias="free")
    >>> round(result.certificate.objective, 6), result.certificate.is_proof  # slopes 1 and -1
    (2.0, True)
    """
    started = time.perf_counter()
    check_choice("loss", loss, ("squared_error", "hinge"))
    check_number("tol", tol, numbers.Real, 0)
    check_number("max_iter", max_iter, numbers.Integral, 1)
    if time_limit is not None:
        check_number("time_limit", time_limit, numbers.Real, 0)
    problem = _checked(X, y, loss, hidden_bias, fit_intercept)
    with one_blas_thread():
        constant = problem.zero_network()
        if miss(problem, constant) == 0:
            nothing = Certificate(0.0, 0.0, "global", "relaxation", True)
            result = _result((constant, nothing, 0, Status.CONVERGED), tol, started)
        elif problem.free_bias:
            result = _result(interpolate_on_line(problem), tol, started)
        else:
            pair = oracles_for(problem, oracle, random_state)
            deadline = math.inf if time_limit is None else started + time_limit
            blocks, size = _first_blocks(problem, pair, random_state, deadline)
            result = InterpolationByPatterns(
                problem,
                pair,
                blocks,
                size,
                tol=tol,
                max_iter=max_iter,
                time_limit=time_limit,
                started=started,
            ).run()
    assert isinstance(result.network, TwoLayerNetwork)
    if (missed := miss(problem, result.network)) > MET:
        raise ValueError(f"y: the network that was found misses it by {missed:.1e} of its spread")
    return result


def _result(found: Found, tol: float, started: float) -> Result:
    """Result of a formula, or of one program."""
    network, certificate, n_iter, status = found
    seconds = time.perf_counter() - started
    result = Result.of_one_program(
        network, certificate, status, tol=tol, seconds=seconds, n_blocks=0
    )
    return replace(result, n_iter=n_iter)


def _checked(
    X: ArrayLike, y: ArrayLike, loss: str, hidden_bias: bool | str, fit_intercept: bool
) -> TrainingProblem:
    problem = TrainingProblem(
        X, y, 1.0, loss=loss, hidden_bias=hidden_bias, fit_intercept=fit_intercept
    ).condensed()
    if problem.n_outputs > 1:
        raise ValueError(
            f"y has {problem.n_outputs} columns; several outputs are not supported, give one"
        )
    rows, counts = np.unique(problem.row_keys(), axis=0, return_counts=True)
    if len(rows) < problem.n_samples:
        again = rows[counts > 1][0]
        raise ValueError(f"y has different targets for equal rows of X, such as {again}")
    return problem


def _first_blocks(
    problem: TrainingProblem,
    oracles: OraclePair,
    random_state: int | np.random.RandomState | None,
    deadline: float,
) -> tuple[Blocks, float]:
    """Patterns, and an estimate of the norm.

    All samples active where that suffices, otherwise the patterns of a network that nearly meets the targets.
    """
    all_active = Blocks.both_signs(np.ones((1, problem.n_samples), dtype=bool))
    if isinstance(oracles.heuristic, SpikeFreeOracle):
        units = problem.units()
        return all_active, units.tau / units.rho
    largest = problem.alpha_max(relaxation_for(problem)) or 1.0
    close = problem.with_alpha(_FIRST_ALPHA * largest)
    network = descend(close, check_random_state(random_state), deadline)
    blocks, _ = blocks_of(network, problem)
    # At least one, for networks without neurons.
    return blocks.join(all_active), norm(problem, network) or 1.0
