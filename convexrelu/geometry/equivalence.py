"""The test whether two neurons, the smallest number possible, also interpolate with the minimum norm."""

from __future__ import annotations

import math
import numbers
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, shown
from convexrelu._utils.deadlines import seconds_before
from convexrelu._utils.typing import Array
from convexrelu.geometry.ellipsoid import RectifiedEllipsoid
from convexrelu.interpolation import minimum_norm
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import proved_length
from convexrelu.oracles.exact.spike_free import LONGEST
from convexrelu.patterns import count_patterns
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Equivalence", "l0_l1_equivalence"]


_MAX_CELLS = 2000  # to list; no measurement is recorded


@dataclass(frozen=True, eq=False)
class Equivalence:
    """Answer to the question whether two neurons have the smallest norm of all interpolating networks.

    Attributes
    ----------
    holds : bool or None
        The answer; None where the bounds on the smallest norm do not determine it.
    is_proof : bool
        Whether the answer is proved, up to the given tolerance and to rounding. An unproved "yes" relies on an
        estimated lower bound, an unproved "no" on a witness whose errors are up to 1e-6 of the spread of targets, if
        no two neurons can correct them.
    two_neuron_norm : float
        ``γ(y₊) + γ(y₋)``; infinite where no two neurons of this kind meet the targets.
    two_neurons : TwoLayerNetwork or None
        These neurons (one, if targets have one sign).
    norm : float
        The smallest norm found. If two more neurons can correct the errors of its network on the targets, their
        norm is included, so that this is an upper bound on the smallest norm.
    lower_bound : float
        A lower bound on the smallest norm; as good as the oracle's where `is_proof` is false.
    witness : TwoLayerNetwork or None
        The network of `norm` where the answer is no, without those two neurons.
    """

    holds: bool | None
    is_proof: bool
    two_neuron_norm: float
    two_neurons: TwoLayerNetwork | None
    norm: float
    lower_bound: float
    witness: TwoLayerNetwork | None


def l0_l1_equivalence(
    X: ArrayLike,
    y: ArrayLike,
    *,
    hidden_bias: bool = False,
    rtol: float = 1e-6,
    time_limit: float | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Equivalence:
    r"""Whether interpolation by two neurons is interpolation at the smallest norm (Ergen & Pilanci 2021, ℓ0–ℓ1).

    Without an intercept, targets of both signs take at least two neurons. Two that are active on no common sample meet
    them if there are ``u₁`` and ``u₂`` with ``relu(X̃u₁) = y₊ = max(y, 0)`` and ``relu(X̃u₂) = y₋ = max(−y, 0)``; the
    shortest ones have the lengths ``γ(y₊)`` and ``γ(y₋)`` (:meth:`~convexrelu.geometry.RectifiedEllipsoid.gauge`). This
    is the smallest number of neurons. The question is whether their norm is the smallest, too::

        γ(y₊) + γ(y₋)  =  N = min {Σ_j ‖w̃_j‖ |a_j| : f(x_i) = y_i, networks of every width} ?

    Let ``z₁ = y₊/γ(y₊)`` and ``z₂ = y₋/γ(y₋)`` be the outputs of these neurons at unit length. The answer is yes iff

    ::

        min {M(v) : vᵀz₁ = 1, vᵀz₂ = −1} ≤ 1,       M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|

    since ``N = max {vᵀy : M(v) ≤ 1}`` and ``vᵀy = γ(y₊) vᵀz₁ − γ(y₋) vᵀz₂``, where neither product is above one. So the
    answer comes from :func:`~convexrelu.interpolation.minimum_norm`.

    Conditions: the theorem is about ``n ≤ d`` samples without biases or intercept. Independent rows ``x̃_i`` are
    enough for the two neurons to exist, and needed for targets in general. The test accepts any data; where no such
    neurons exist, the answer is no. On orthogonal rows it is yes. A no is about these two neurons only: two that are
    active on common samples, where they cancel, can be shorter, even on spike-free data.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    y : array of shape (n,)
        Targets.
    hidden_bias : bool
        Whether neurons have penalised biases.
    rtol : float
        Norms with a smaller relative difference count as equal. The bracket of the smallest norm is ten times tighter
        where possible: above rank 3, with more than 2000 patterns, branch and bound proves only to about 1e-4 and
        needs ``rtol=1e-3``.
    time_limit : float, optional
        Seconds, of which the smallest norm has what the two neurons leave.
    random_state : int, RandomState or None
        Seed of the searches.

    Returns
    -------
    Equivalence

    Raises
    ------
    ValueError
        For bad data, or targets for which no interpolating network was found.

    Examples
    --------
    Orthogonal samples: two neurons are best. For samples at an obtuse angle, one neuron active on both must be long;
    two short ones are cheaper.

    >>> import numpy as np
    >>> from convexrelu.geometry import l0_l1_equivalence
    >>> answer = l0_l1_equivalence(np.eye(3), [1.0, -1.0, 2.0])
    >>> answer.holds, answer.is_proof, round(answer.two_neuron_norm, 6)  # √5 + 1
    (True, True, 3.236068)
    >>> answer = l0_l1_equivalence(np.array([[1.0, 0.0], [-0.6, 0.8]]), [1.0, 1.0])
    >>> answer.holds, answer.is_proof, round(answer.two_neuron_norm, 6), round(answer.norm, 4)
    (False, True, 2.236068, 2.0)
    """
    if not isinstance(rtol, numbers.Real) or not 0 < rtol < 1:
        raise ValueError(f"rtol={shown(rtol)} is not a number between 0 and 1")
    started = time.perf_counter()
    if time_limit is not None:
        check_number("time_limit", time_limit, numbers.Real, 0)
    deadline = math.inf if time_limit is None else started + time_limit
    ellipsoid = RectifiedEllipsoid(X, hidden_bias=hidden_bias, random_state=random_state)
    problem = TrainingProblem(X, y, 1.0, hidden_bias=hidden_bias, fit_intercept=False)
    if problem.n_outputs > 1:
        raise ValueError(
            f"y has {problem.n_outputs} columns; several outputs are not supported, give one"
        )
    size, two = _two_neurons(problem, ellipsoid, problem.y)
    if size == 0:
        return Equivalence(True, True, 0.0, two, 0.0, 0.0, None)
    result = minimum_norm(
        X,
        y,
        hidden_bias=hidden_bias,
        fit_intercept=False,
        oracle=_oracle(problem, ellipsoid.rank),
        tol=0.1 * rtol,
        time_limit=seconds_before(deadline),
        random_state=random_state,
    )
    certificate, network = result.certificate, result.network
    assert isinstance(network, TwoLayerNetwork)
    found = problem.balanced(network).penalty()
    repair, _ = _two_neurons(problem, ellipsoid, problem.y - network.predict(problem.X))
    proved = certificate.lower_bound if certificate.is_proof else certificate.proved_lower_bound
    holds, is_proof = _compare(size, proved, found + repair, rtol), True
    if holds is None:
        holds, is_proof = _compare(size, certificate.lower_bound, found, rtol), False
    return Equivalence(
        holds=holds,
        is_proof=is_proof,
        two_neuron_norm=size,
        two_neurons=two,
        norm=min(found + repair if math.isfinite(repair) else found, size),
        lower_bound=proved if is_proof else certificate.lower_bound,
        witness=network if holds is False else None,
    )


def _oracle(problem: TrainingProblem, rank: int) -> str:
    """A list of all cells is tighter than branch and bound; few samples have few cells, whatever their rank."""
    few = rank > 3 and count_patterns(problem.n_samples, rank) <= _MAX_CELLS
    return "cells" if few and proved_length(problem.design) > LONGEST else "auto"


def _two_neurons(
    problem: TrainingProblem, ellipsoid: RectifiedEllipsoid, y: Array
) -> tuple[float, TwoLayerNetwork | None]:
    """Norm of the two neurons with the positive and the negative part of some outputs, and their network."""
    sizes, directions = zip(
        *(ellipsoid.gauge(np.maximum(s * y, 0.0)) for s in (1, -1)), strict=True
    )
    if not math.isfinite(sum(sizes)):
        return math.inf, None
    weights, biases = np.array(directions), np.zeros(2)
    if problem.hidden_bias:
        weights, biases = weights[:, :-1], weights[:, -1]
    return sum(sizes), problem.balanced(TwoLayerNetwork(weights, biases, [[1.0, -1.0]], [0.0]))


def _compare(size: float, lower: float, upper: float, rtol: float) -> bool | None:
    """Whether `size` equals the number between the bounds; None if they do not decide it."""
    if size <= lower * (1 + rtol):
        return True
    return False if upper < size * (1 - rtol) or math.isinf(size) else None
