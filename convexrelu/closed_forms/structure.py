"""Structure of data, and the closed form that a training problem has for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.deadlines import product_fits
from convexrelu.closed_forms.constant import is_proved_constant, train_constant
from convexrelu.closed_forms.line import train_on_line
from convexrelu.closed_forms.spike_free import train_spike_free
from convexrelu.closed_forms.whitened import missing_for_whitened, train_whitened
from convexrelu.oracles import Line, proved_length
from convexrelu.oracles.exact.spike_free import LONGEST, ORTHOGONAL, orthogonality_error
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result

__all__ = ["STRUCTURES", "closed_form_for", "structure_of"]

# cvxpy and the solver write down a knot of a spline in the time of so many multiplications: 2.5 s for 100,000 knots.
_WORK_OF_A_KNOT = 2.5e5

STRUCTURES = ("one_feature", "rank_one", "whitened", "spike_free", "general")


def structure_of(X: Any, *, hidden_bias: bool | str = True) -> str:
    """Structure of data for which training has a closed form, or ``"general"``.

    Parameters
    ----------
    X : array of shape (n, d)
        Inputs.
    hidden_bias : bool or "free"
        As in :class:`~convexrelu.TrainingProblem`: the structure is that of the inputs of neurons. With free
        biases the origin does not matter; with penalised ones the rows are ``(x, 1)``.

    Returns
    -------
    {"one_feature", "rank_one", "whitened", "spike_free", "general"}
        * ``"one_feature"``, ``"rank_one"``: with free biases, samples ``x_i = origin + t_i a`` that are not all equal.
        * ``"whitened"``: rows that are nonzero and orthogonal to each other; in the strict sense, whitened rows also
          have length one.
        * ``"spike_free"``: independent rows (apart from zeros) for which rectifying the ellipsoid
          ``{X̃u : ‖u‖ ≤ 1}`` is proved to stay inside it. Whitened rows are spike-free, too.

        All of this is checked up to rounding: data that are off by 1e-6 are ``"general"``; bounds allow for the error.

    Raises
    ------
    ValueError
        For inputs that a training problem does not accept.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.outer([1.0, 2.0, 4.0], [3.0, 4.0])
    >>> structure_of(X, hidden_bias="free"), structure_of(X)
    ('rank_one', 'general')
    >>> structure_of(np.eye(3), hidden_bias=False), structure_of(np.eye(3))
    ('whitened', 'spike_free')
    """
    rows = X if issparse(X) else np.atleast_1d(np.asarray(X))
    return _structure_of(
        TrainingProblem(rows, np.zeros(rows.shape[0]), 1.0, hidden_bias=hidden_bias)
    )


def closed_form_for(
    problem: TrainingProblem, deadline: float = math.inf
) -> Callable[..., Result] | None:
    """The closed form that solves a problem, callable with `tol`, `time_limit` and `progress`; or None.

    None also where the structure would not be proved before the deadline, or the solver would not begin.
    """
    if is_proved_constant(problem, deadline):
        return partial(train_constant, problem)
    if problem.activation != "relu" or problem.skip:
        return None
    kind = _structure_of(problem, deadline)
    if kind in ("one_feature", "rank_one") and problem.loss.has_expression:
        work = _WORK_OF_A_KNOT * float(problem.n_samples * problem.n_outputs)
        return partial(train_on_line, problem) if product_fits(work, deadline) else None
    if kind == "whitened" and not missing_for_whitened(problem):
        return partial(_at_once, problem)
    if kind in ("whitened", "spike_free") and problem.n_outputs == 1:
        return partial(train_spike_free, problem)
    return None


def _structure_of(problem: TrainingProblem, deadline: float = math.inf) -> str:
    if problem.free_bias:
        if (
            not problem.design_fits(deadline)
            or Line.through(problem.inputs - problem.origin) is None
        ):
            return "general"
        return "one_feature" if problem.n_features == 1 else "rank_one"
    if problem.hidden_bias and problem.n_samples > problem.n_features + 1:
        return "general"  # more rows (x, 1) than columns: they are not independent
    if problem.stays_sparse and np.count_nonzero(problem.lengths) > problem.n_features:
        return "general"
    if not problem.hidden_bias and orthogonality_error(problem.inputs, deadline) <= ORTHOGONAL:
        return "whitened"
    return "spike_free" if proved_length(problem.design, deadline) <= LONGEST else "general"


def _at_once(
    problem: TrainingProblem, *, time_limit: float | None = None, **options: object
) -> Result:
    """Apply the formula; it takes no time worth limiting."""
    return train_whitened(problem, **options)  # type: ignore[arg-type]
