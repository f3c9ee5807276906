"""Threshold networks to global optimality: a lasso over patterns.

With one column ``d_k = 1{X̃u_k ≥ 0}`` for every pattern::

    P = min_{w, c}  Σ_i s_i ½ (Σ_k w_k d_ik + c − y_i)² + alpha Σ_k |w_k|
    D = max_v  −F*(−v)   s.t.  |d_kᵀv| ≤ alpha for every k,   (1ᵀv = 0 with an intercept)

Columns are generated: solve a lasso on the current columns, price all others, and add those with the highest prices.
Weight decay sees the amplitudes of the units, not the gates, see
:meth:`~convexrelu.networks.ThresholdNetwork.penalty`.

References
----------
Ergen, Gulluk, Lacotte & Pilanci 2023, "Globally Optimal Training of Neural Networks with Threshold Activation
Functions".
"""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu.patterns import ActivationPatterns
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.threshold.column_generation import LassoByPatterns
from convexrelu.threshold.oracles import ThresholdSearchOracle
from convexrelu.threshold.selection import choose_threshold_oracle

__all__ = ["train_threshold"]


# Random starts of the search before the final certificate; no measurement is recorded.
_STARTS_FOR_A_VERDICT = 300


def train_threshold(
    problem: TrainingProblem,
    patterns: ActivationPatterns | None,
    *,
    complete: bool = False,
    tol: float = 1e-3,
    max_iter: int = 30,
    settles: bool = False,
    time_limit: float | None = None,
    random: np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train a threshold network, ``f(x) = Σ_k w_k 1{u_kᵀx̃ ≥ 0} + c``.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero; squared error, one output.
    patterns : ActivationPatterns or None
        The units to choose from. None generates them: from a list of all cells if that is short, by a sweep for
        two features (also a proof, but possibly a loose one where many samples are on common lines),
        and by a search otherwise.
    complete : bool
        Whether `patterns` are an enumeration. The certificate is of global scope if they are then proved to be all,
        see :func:`~convexrelu.patterns.complete.has_every_pattern`, and of the program's otherwise.
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Largest number of lassos while patterns are found by search. Proofs need no such limit: every round has a column
        that was not there before.
    settles : bool
        Whether to end when a round lowers the objective by less than a hundredth, as for predictions only.
    time_limit : float, optional
        Seconds.
    random : RandomState, optional
        Source of the search.
    progress : callable, optional
        Called with a :class:`~convexrelu.results.Round` after every round. When it returns True, training ends with the
        best network so far, its certificate, and ``Status.STOPPED``.

    Returns
    -------
    Result
        With a :class:`~convexrelu.networks.ThresholdNetwork`, whose gates are the deepest points of their
        cells.

    Raises
    ------
    ValueError
        For a problem that is not a lasso.
    KeyboardInterrupt
        If interrupted before the first certificate.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.threshold import train_threshold
    >>> X = np.linspace(-1, 1, 8)[:, None]
    >>> result = train_threshold(TrainingProblem(X, np.sign(X[:, 0]), alpha=0.01), None, tol=1e-9)
    >>> print(result.network.width, result.certificate.is_proof, result.certificate.scope)
    1 True global
    """
    _check(problem)
    started = time.perf_counter()
    random = np.random.RandomState() if random is None else random
    deadline = math.inf if time_limit is None else started + time_limit
    oracle = choose_threshold_oracle(problem, patterns, complete, random, deadline)
    searched = isinstance(oracle, ThresholdSearchOracle)
    thorough = ThresholdSearchOracle(problem.design, random, n_starts=_STARTS_FOR_A_VERDICT)
    return LassoByPatterns(
        problem,
        oracle,
        thorough if searched and not settles else None,
        settles=settles,
        tol=tol,
        max_iter=max_iter if searched else None,
        time_limit=time_limit,
        started=started,
        progress=progress,
    ).run()


def _check(problem: TrainingProblem) -> None:
    """Raise an error for problems that are not a lasso."""
    if not problem.loss.is_least_squares:
        raise ValueError(
            f"activation='threshold' does not support loss={problem.loss.name!r}; it is a lasso, "
            "use loss='squared_error'"
        )
    if problem.n_outputs != 1:
        raise ValueError("activation='threshold' does not support several outputs")
    if problem.free_bias:
        raise ValueError(
            "activation='threshold' does not support hidden_bias='free'; no gate is penalised, use hidden_bias=True"
        )
