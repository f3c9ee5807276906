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
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import null_space, solve_triangular
from sklearn.exceptions import ConvergenceWarning

from convexrelu._utils.typing import Array, Masks
from convexrelu.certificates.certificate import Certificate
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.patterns import ActivationPatterns, enumerate_patterns
from convexrelu.patterns.activation import row_keys
from convexrelu.patterns.cell_centre import cell_centre
from convexrelu.patterns.complete import has_every_pattern
from convexrelu.patterns.enumerate import RowSpace, count_patterns
from convexrelu.problem.dual import lower_bound
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result, Round
from convexrelu.results.status import Status
from convexrelu.threshold.oracles import (
    ThresholdPatternOracle,
    ThresholdSearchOracle,
    threshold_relaxation,
)
from convexrelu.threshold.sweep import ThresholdSweepOracle

__all__ = ["train_threshold"]


# Columns per round: as many as there are units, within these limits; as in the cutting-plane loop.
_MIN_COLUMNS, _MAX_COLUMNS = 12, 100
# Cells are listed for pricing if their masks are no larger than this: on lines, which are quickly listed, and in
# more dimensions.
_LIST_BYTES = {"planar": 2**28, "more": 2**21}
# Largest number of samples for which half-planes are swept.
_SWEPT_SAMPLES = 2000
# Random starts of the search before the final certificate; no measurement is recorded.
_STARTS_FOR_A_VERDICT = 300
# Number of consecutive rounds without a lower objective after which training gives up.
_PATIENCE = 3
# Columns count as dependent where a singular value is below this fraction of the largest one.
_RANK_TOL = 1e-9


def train_threshold(
    problem: TrainingProblem,
    patterns: ActivationPatterns | None,
    *,
    complete: bool = False,
    tol: float = 1e-3,
    max_iter: int = 30,
    time_limit: float | None = None,
    random: np.random.RandomState | None = None,
    progress: Callable[[Round], None] | None = None,
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
    time_limit : float, optional
        Seconds.
    random : RandomState, optional
        Source of the search.
    progress : callable, optional
        Called with a :class:`~convexrelu.results.Round` after every round.

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
    oracle = _oracle(problem, patterns, complete, random)
    searched = isinstance(oracle, ThresholdSearchOracle)
    thorough = ThresholdSearchOracle(problem.design, random, n_starts=_STARTS_FOR_A_VERDICT)
    generation = _ColumnGeneration(
        problem,
        oracle,
        thorough if searched else None,
        tol=tol,
        max_iter=max_iter if searched else None,
        deadline=math.inf if time_limit is None else started + time_limit,
        progress=progress,
        started=started,
    )
    return generation.run()


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


def _oracle(
    problem: TrainingProblem,
    patterns: ActivationPatterns | None,
    complete: bool,
    random: np.random.RandomState,
) -> Oracle:
    """The given patterns; or a proof from all of them where that is cheap, and a search otherwise."""
    design = problem.design
    if patterns is None:
        rank = RowSpace.of(design).rank
        n_bytes = count_patterns(len(design), rank) * len(design)
        if n_bytes > _LIST_BYTES["planar" if rank <= 2 else "more"]:
            if problem.n_features == 2 and problem.hidden_bias and len(design) <= _SWEPT_SAMPLES:
                return ThresholdSweepOracle(problem.X)
            return ThresholdSearchOracle(design, random, remembers=True)
        patterns, complete = enumerate_patterns(design), True
    complete = complete and has_every_pattern(design, patterns)
    if (
        not complete
    ):  # the patterns of the gates in float64, which may differ from the intended ones
        patterns = ActivationPatterns.of_gates(design, patterns.gates)
    return ThresholdPatternOracle(patterns, complete=complete)


@dataclass(frozen=True, eq=False)
class _Units:
    """Columns with their gates and weights."""

    masks: Masks
    gates: Array
    weights: Array
    intercept: float

    @property
    def width(self) -> int:
        return int(np.count_nonzero(self.weights))

    def outputs(self) -> Array:
        return self.weights @ self.masks + self.intercept

    def objective(self, problem: TrainingProblem) -> float:
        penalty = problem.alpha * float(np.abs(self.weights).sum())
        return problem.data_fit(self.outputs()) + penalty

    def with_columns(self, masks: Masks, gates: Array) -> _Units:
        """These and other units, with new weights of zero."""
        weights = np.append(self.weights, np.zeros(len(masks)))
        masks, gates = np.vstack([self.masks, masks]), np.vstack([self.gates, gates])
        return _Units(masks, gates, weights, self.intercept)

    def network(self, problem: TrainingProblem) -> ThresholdNetwork:
        """The units with nonzero weights, every gate in the centre of its cell if that can be found."""
        used = np.flatnonzero(self.weights)
        centres = [cell_centre(problem.design, self.masks[k]) for k in used]
        gates = [
            self.gates[k] if centre is None else centre
            for k, centre in zip(used, centres, strict=True)
        ]
        return ThresholdNetwork(
            np.array(gates).reshape(len(used), self.gates.shape[1]),
            self.weights[used],
            self.intercept,
            bool(problem.hidden_bias),
        )


@dataclass(eq=False)
class _ColumnGeneration:
    """Price, certify, add columns, solve the lasso; until the gap is closed."""

    problem: TrainingProblem
    oracle: Oracle
    thorough: Oracle | None  # asked where a search finds nothing
    tol: float
    max_iter: int | None
    deadline: float
    progress: Callable[[Round], None] | None
    started: float

    _units: _Units = field(init=False)  # of the last lasso
    _best: _Units = field(init=False)
    _certificate: Certificate | None = field(default=None, init=False)  # of the best units
    _history: list[Round] = field(default_factory=list, init=False)
    _n_iter: int = field(default=0, init=False)
    _idle: int = field(default=0, init=False)  # rounds in a row without a lower objective

    def run(self) -> Result:
        n, dimension = self.problem.design.shape
        constant = self.problem.best_intercept(np.zeros(n))
        nothing = np.zeros((0, n), dtype=bool), np.zeros((0, dimension)), np.zeros(0)
        self._units = self._best = _Units(*nothing, constant)
        try:
            status = self._loop()
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        if self._certificate is None:
            raise KeyboardInterrupt
        network = self._best.network(self.problem)
        # A gate that is not in a centre may be so close to a hyperplane that a sample is on the other side of it. The
        # network is then not one of the program's, which can only have better ones than the program's bound says.
        penalty = self.problem.alpha * network.penalty()
        objective = self.problem.data_fit(network.predict(self.problem.X)) + penalty
        certificate = replace(self._certificate, objective=objective)
        if certificate.scope == "program":
            certificate = replace(certificate, lower_bound=min(certificate.lower_bound, objective))
        if status is Status.CONVERGED and certificate.relative_gap > self.tol:
            status = Status.INACCURATE
        self._history[-1] = replace(
            self._history[-1],
            objective=objective,
            lower_bound=certificate.lower_bound,
            relative_gap=certificate.relative_gap,
        )
        return Result(network, certificate, status, self._history, self._n_iter)

    def _loop(self) -> Status:
        while True:
            fresh = self._price()
            assert self._certificate is not None
            if self._certificate.relative_gap <= self.tol:
                return Status.CONVERGED
            if self.max_iter is not None and self._n_iter >= self.max_iter:
                return Status.MAX_ITER
            if time.perf_counter() > self.deadline:
                return Status.TIME_LIMIT
            if not len(fresh) or self._idle >= _PATIENCE:
                return Status.STALLED
            self._units = _lasso(self.problem, self._units.with_columns(fresh.masks, fresh.gates))
            self._n_iter += 1

    def _price(self) -> ActivationPatterns:
        """Certify the best units and return the columns that violate the dual constraints most."""
        problem, units = self.problem, self._units
        lower = units.objective(problem) < self._best.objective(problem) * (1 - 1e-12)
        self._best = units if lower else self._best
        self._idle = 0 if lower or self._n_iter == 0 else self._idle + 1
        v = problem.dual_point(units.outputs())
        report = self._ask(self.oracle, v)
        certificate = self._certify(v, report)
        fresh = self._new_columns(report)
        done = not fresh or certificate.relative_gap <= self.tol
        if done and not certificate.is_proof and self.thorough is not None:
            # A search that finds no more cuts is checked by a second one, from more starts.
            second = self._ask(self.thorough, v)
            report = replace(second, bound=max(report.bound, second.bound))
            self._certify(v, report)
            fresh = self._new_columns(report)
        self._record(len(fresh))
        return ActivationPatterns(report.masks[fresh], report.directions[fresh])

    def _ask(self, oracle: Oracle, v: Array) -> OracleReport:
        """Price a dual point; the current columns are among the directions of a search."""
        report = oracle(v, deadline=self.deadline)
        if report.is_proof:
            return report
        own = float(np.abs(self._units.masks @ v).max(initial=0.0))
        return replace(report, bound=max(report.bound, own))

    def _new_columns(self, report: OracleReport) -> list[int]:
        """Violated witnesses that are not yet columns, strongest first."""
        known = set(self._keys(self._units.masks))
        fresh = []
        for i, key in enumerate(self._keys(report.masks)):
            if report.values[i] > self.problem.alpha * (1 + 1e-12) and key not in known:
                known.add(key)
                fresh.append(i)
        return fresh[: min(max(_MIN_COLUMNS, self._units.width), _MAX_COLUMNS)]

    def _keys(self, masks: Masks) -> list[bytes]:
        """Equal for columns that can replace each other: with an intercept, a column and its complement can."""
        return row_keys(masks ^ masks[:, :1] if self.problem.fit_intercept else masks).tolist()

    def _certify(self, v: Array, report: OracleReport) -> Certificate:
        """Certificate of the best units; for proofs, the tightest so far."""
        certificate = _certificate(self.problem, self._best.objective(self.problem), v, report)
        before = self._certificate
        if before is not None:
            proved = max(before.proved_lower_bound, certificate.proved_lower_bound)
            if before.is_proof and before.lower_bound > certificate.lower_bound:
                certificate = replace(before, objective=certificate.objective)
            certificate = replace(certificate, proved_lower_bound=proved)
        self._certificate = certificate
        return certificate

    def _record(self, n_cuts: int) -> None:
        certificate = self._certificate
        assert certificate is not None
        entry = Round(
            seconds=time.perf_counter() - self.started,
            objective=certificate.objective,
            lower_bound=certificate.lower_bound,
            relative_gap=certificate.relative_gap,
            is_proof=certificate.is_proof,
            width=self._best.width,
            n_blocks=len(self._units.masks),
            n_cuts=n_cuts,
            violation=certificate.violation,
            solver_status=Status.CONVERGED.name if self._n_iter else "",
        )
        self._history.append(entry)
        if self.progress is not None:
            self.progress(entry)


def _certificate(
    problem: TrainingProblem, objective: float, v: Array, report: OracleReport
) -> Certificate:
    """Like :func:`convexrelu.certificates.certificate_of`, with the relaxation of threshold units and the report."""
    bound, closed = (
        lower_bound(problem, v, size) for size in (report.bound, threshold_relaxation(v))
    )
    violation = max(report.bound / problem.alpha - 1.0, 0.0)
    if not report.is_proof and closed >= bound - 1e-9 * abs(bound):
        return Certificate(objective, closed, "global", "relaxation", True, closed, 0, violation)
    if report.is_proof and report.scope == "global":
        bound = closed = max(bound, closed)
    return Certificate(
        objective,
        bound,
        report.scope,
        report.method,
        report.is_proof,
        closed,
        report.n_starts,
        violation,
    )


def _lasso(problem: TrainingProblem, units: _Units) -> _Units:
    """Best weights for given columns: coordinate descent, and an active-set method for the last digits."""
    from sklearn.linear_model import Lasso

    scales = problem.units()
    center, tau = scales.center, scales.tau
    columns, targets = units.masks.T.astype(np.float64), (problem.y - center) / tau
    lasso = Lasso(
        alpha=problem.alpha / tau,
        fit_intercept=problem.fit_intercept,
        tol=1e-8,
        max_iter=10_000,
        warm_start=True,
    )
    lasso.coef_ = units.weights / tau
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # the gap is measured by the certificate
        lasso.fit(columns, targets, sample_weight=problem.weights)
    weights = _polished(problem, columns, targets, lasso.coef_, problem.alpha / tau) * tau
    intercept = problem.best_intercept(columns @ weights)
    return replace(units, weights=weights, intercept=intercept)


def _polished(
    problem: TrainingProblem, columns: Array, targets: Array, weights: Array, alpha: float
) -> Array:
    """Newton's step on the nonzero weights, cut off where the first of them becomes zero, and repeated.

    While no sign changes, the objective is quadratic, so no step raises it. In the end the columns with nonzero weights
    are linearly independent.
    """
    root = np.sqrt(problem.weights)
    if problem.fit_intercept:  # eliminated: columns and targets about their weighted means
        columns = columns - problem.weights @ columns
        targets = targets - problem.weights @ targets
    weights = weights.copy()
    while len(used := np.flatnonzero(weights)):
        design, signs = root[:, None] * columns[:, used], np.sign(weights[used])
        q, r = np.linalg.qr(design)
        null = null_space(r, rcond=_RANK_TOL)
        if null.shape[1]:
            # Only the penalty changes in this direction: move so that it does not rise.
            step, longest = null[:, 0] * -np.sign(signs @ null[:, 0] or 1.0), np.inf
        else:
            best = solve_triangular(r, q.T @ (root * targets))
            best -= solve_triangular(r, solve_triangular(r, alpha * signs, trans=1))
            step, longest = best - weights[used], 1.0
        shrinking = signs * step < 0
        ratios = np.full(len(used), np.inf)
        ratios[shrinking] = -weights[used][shrinking] / step[shrinking]
        if ratios.min() >= longest:
            weights[used] += step
            return weights
        gone = ratios.argmin()
        weights[used] += ratios[gone] * step
        weights[used[gone]] = 0.0
    return weights
