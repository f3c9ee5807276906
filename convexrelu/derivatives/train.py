"""Training on samples and equations of first order, with a certificate over all networks."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_choice, check_limits
from convexrelu._utils.norms import unit_rows
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.whole_search import WholeSearch
from convexrelu.column_generation import ColumnGeneration
from convexrelu.derivatives.pricing import (
    CellSearch,
    all_cells,
    certificate_of,
    proof_of,
    reached_by,
    swept_bound,
)
from convexrelu.derivatives.problem import DerivativeProblem
from convexrelu.derivatives.program import clear_of_kinks, solve_program
from convexrelu.derivatives.rows import DerivativeRows
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.programs.blocks import Blocks
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status

__all__ = ["train_with_derivatives"]

_PRICING = ("auto", "cells", "search")
_MOST_CELLS = 50_000  # that "auto" lists: 9 s of processor time for 32,000 of 260 rows
_N_STARTS = 100


def train_with_derivatives(
    X: ArrayLike,
    y: ArrayLike,
    alpha: float,
    rows: DerivativeRows | list[DerivativeRows] | tuple[DerivativeRows, ...],
    *,
    hidden_bias: bool = True,
    fit_intercept: bool = True,
    pricing: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 50,
    time_limit: float | None = None,
    start: TwoLayerNetwork | None = None,
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> Result:
    """Train a two-layer ReLU network on samples and on linear equations of first order.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    y : array of shape (n,)
        Targets, fitted by half the mean squared error.
    alpha : float
        Weight decay, positive.
    rows : DerivativeRows or list of DerivativeRows
        Equations ``p·∇f + q f = g`` at other points, with their weights.
    hidden_bias : bool
        Whether neurons have a bias, penalised with their weights.
    fit_intercept : bool
        Whether the output has an intercept, not penalised.
    pricing : {"auto", "cells", "search"}
        ``"cells"`` lists all activation patterns on samples and points, so that the gap is proved; ``"search"`` walks
        from cell to cell, and the gap is an estimate beside a loose proof; ``"auto"`` lists up to 50,000 patterns.
    tol : float
        Relative duality gap to reach.
    max_iter : int
        Largest number of finite programs.
    time_limit : float, optional
        Seconds. The result is the best network so far.
    start : TwoLayerNetwork, optional
        Network to begin with, which the result is never worse than. Its neurons are moved off kinks at collocation
        points first.
    random_state : int, RandomState or None
        Seed of the searches.
    progress : callable, optional
        Called with a :class:`~convexrelu.results.Round` after every round. When it returns True, training ends with the
        best network so far, its certificate, and ``Status.STOPPED``.

    Returns
    -------
    Result
        Its `problem` is None: proofs cannot be saved to files. Objectives are those of
        :meth:`DerivativeProblem.objective`.

    Raises
    ------
    ValueError
        For an invalid argument; the message names it.

    See Also
    --------
    DerivativeRows.from_operator : Equations by multi-indices; order two or more is an error.

    Notes
    -----
    :mod:`convexrelu.derivatives.problem` has the program, its dual, and the convention at kinks. The certificate
    compares with all networks, of any width, whose derivatives at kinks are limits from inside of a cell.

    References
    ----------
    Raissi, Perdikaris & Karniadakis 2019, "Physics-informed neural networks"; Czarnecki et al. 2017, "Sobolev training
    for neural networks"; the program is that of Pilanci & Ergen 2020 with more rows.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.derivatives import DerivativeRows, train_with_derivatives
    >>> times = np.linspace(0, 1, 9)[:, None]
    >>> decay = DerivativeRows(times, gradient=[1.0], value=1.0)  # f' + f = 0
    >>> result = train_with_derivatives([[0.0]], [1.0], 1e-4, decay, random_state=0)
    >>> result.certificate.is_proof, float(result.network.predict([[1.0]])[0].round(1))  # exp(−1) = 0.368
    (True, 0.4)
    """
    began = time.perf_counter()
    problem = DerivativeProblem(
        X, y, alpha, rows, hidden_bias=hidden_bias, fit_intercept=fit_intercept
    )
    check_choice("pricing", pricing, _PRICING)
    check_limits(tol, max_iter, time_limit)
    random = checked_random_state(random_state)
    _check_start(start, problem)
    with one_blas_thread():
        return _ColumnsWithDerivatives(
            problem=problem,
            pricing=pricing,
            search=CellSearch(problem, _N_STARTS, random),
            start=start,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            started=began,
            progress=progress,
        ).run()


def _check_start(start: TwoLayerNetwork | None, problem: DerivativeProblem) -> None:
    if start is None:
        return
    if not isinstance(start, TwoLayerNetwork):
        raise ValueError(f"start={start!r} is not a TwoLayerNetwork")
    fits = (
        start.n_features == problem.X.shape[1]
        and start.n_outputs == 1
        and start.negative_slope == 0
        and start.skip_weights is None
        and (problem.hidden_bias or not start.hidden_bias.any())
        and (problem.fit_intercept or not start.output_bias.any())
    )
    if not fits:
        raise ValueError(
            f"start does not fit: expected a ReLU network with {problem.X.shape[1]} features, one output, no skip "
            "connection, and biases only where the problem has them"
        )


@dataclass(eq=False, kw_only=True)
class _ColumnsWithDerivatives(ColumnGeneration[TwoLayerNetwork, Blocks]):
    """Column generation: cells from a search, and from the list of all cells where the search finds none."""

    problem: DerivativeProblem
    pricing: str
    search: CellSearch
    start: TwoLayerNetwork | None = None

    _blocks: Blocks = field(init=False)
    _v: Array = field(init=False)  # dual point of the last program
    _cells: PatternOracle | None = field(default=None, init=False)
    _complete: bool = field(default=False, init=False)
    _proof: Certificate | None = field(default=None, init=False)  # the tightest
    _searched: WholeSearch = field(default_factory=WholeSearch, init=False)

    def _begin(self) -> Status | None:
        problem = self.problem
        constant = TwoLayerNetwork.constant(problem.X.shape[1])
        constant = constant.with_output_bias(problem.best_constant(problem.outputs(constant)))
        self._blocks = Blocks.none(len(problem.gates))
        self._best, self._v = constant, problem.dual_point(problem.outputs(constant))
        if self.start is not None:
            self._keep(clear_of_kinks(problem, self.start.balance()))
            self._v = problem.dual_point(problem.outputs(self._best))
        most = {"auto": _MOST_CELLS, "cells": math.inf, "search": 0}[self.pricing]
        self._cells, self._complete = all_cells(problem, most, self._deadline())
        return None

    def _price(self) -> tuple[Certificate, Blocks]:
        certificate, fresh = self._ask(self.search(self._v, deadline=self._deadline()))
        if self._cells is not None and (not len(fresh) or certificate.relative_gap <= self.tol):
            certificate, fresh = self._ask(self._price_cells())
        return certificate, fresh

    def _price_cells(self) -> OracleReport:
        assert self._cells is not None
        report = self._cells(self._v, level=self.problem.alpha, deadline=self._deadline())
        # Cells that may be missing would have other limits at kinks: then this is an estimate.
        return replace(report, is_proof=self._complete)

    def _ask(self, report: OracleReport) -> tuple[Certificate, Blocks]:
        """Certificate of the best network, and the witnesses that are not blocks yet."""
        objective = self.problem.objective(self._best)
        counts = self._searched.or_last(self._v, report, lambda v: self._reached(v, report))
        certificate = certificate_of(self.problem, objective, *counts)
        proved = proof_of(objective, certificate.proved_lower_bound, certificate.method)
        proof = certificate if certificate.is_proof else proved
        if self._proof is None or proof.lower_bound > self._proof.lower_bound:
            self._proof = proof
        found = Blocks(report.masks, report.signs, report.directions)
        known = set(self._blocks.keys())
        fresh = [
            i
            for i, key in enumerate(found.keys())
            if key not in known and report.values[i] > self.problem.alpha
        ]
        return certificate.or_proof(self._proof), found.select(fresh)

    def _reached(self, v: Array, report: OracleReport) -> float:
        """What the witnesses of a report, and the neurons of the network, reach at a dual point."""
        own = unit_rows(self.problem.directions(self._best.prune()))
        masks = np.vstack([report.masks, own @ self.problem.gates.T > 0])
        return reached_by(self.problem, v, masks, np.vstack([report.directions, own]))

    def _solve(self, columns: Blocks) -> tuple[Status, bool]:
        blocks = self._blocks.join(columns)
        solved = solve_program(self.problem, blocks, self._deadline())
        if solved.network is None:
            return solved.status, False
        self._v = solved.dual
        # Blocks without a neuron are left out where the objective falls, so that none comes back for ever.
        self._blocks = blocks.select(solved.used) if self._keep(solved.network) else blocks
        return solved.status, True

    def _keep(self, network: TwoLayerNetwork) -> bool:
        """Whether a network is better than the best, which it then replaces."""
        if self.problem.objective(network) >= self.problem.objective(self._best):
            return False
        self._best = network
        return True

    def _conclude(self, status: Status) -> Status:
        """A proof for the last dual point, or a better proved bound, where rounds ended on an estimate."""
        certificate = self._certificate
        if certificate is None or certificate.is_proof or status is Status.STOPPED:
            return status
        if self._cells is not None and self._complete:
            self._record(self._ask(self._price_cells())[0], 0)
        else:
            bound = swept_bound(self.problem, self._v, self._deadline())
            proved = self.problem.lower_bound(self._v, bound)
            proof = proof_of(certificate.objective, proved, "sweep")
            self._record(certificate.or_proof(proof), 0)
        return status

    @property
    def _n_columns(self) -> int:
        return len(self._blocks)
