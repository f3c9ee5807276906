"""The cutting-plane loop: generate the patterns that the optimum needs, until the gap is closed.

    network ─► dual point ─► oracle ─► certificate ─► small gap? stop
       ▲                       │ cuts
       └──── master ◄── blocks ◄┘

In the dual, every block of the master is one constraint of ``M(v) ≤ alpha``, and the oracle finds
violated ones: cutting planes. In the primal it is column generation. The loop stops on the
certificate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convexrelu.certificate import Certificate, price_and_certify
from convexrelu.network import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleReport
from convexrelu.oracles.choose import OraclePair
from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, Result, Round
from convexrelu.solvers.master import Master
from convexrelu.solvers.recovery import active_blocks, recover_relu
from convexrelu.status import Status

__all__ = ["CuttingPlane"]

Array = NDArray[np.float64]

# Cuts a round: this many, or a third of the blocks there are.
_MIN_CUTS = 12
# Rounds in a row without a better network after which the loop gives up.
_PATIENCE = 3


@dataclass(eq=False)
class CuttingPlane:
    """Cutting planes around a master solver and an oracle.

    Parameters
    ----------
    problem : TrainingProblem
        Without weightless samples.
    master : Master
        Solves the finite programmes.
    oracles : OraclePair
        One that finds cuts, and one that is asked when the first sees the gap closed, and for the
        final certificate.
    tol : float
        Relative gap to stop at.
    max_iter : int
        Largest number of finite programmes.
    time_limit : float, optional
        Seconds; the loop ends with the best network so far.
    progress : callable, optional
        Called with every :class:`~convexrelu.result.Round`.
    """

    problem: TrainingProblem
    master: Master
    oracles: OraclePair
    tol: float = 1e-3
    max_iter: int = 30
    time_limit: float | None = None
    progress: Callable[[Round], None] | None = None

    _started: float = field(default=0.0, init=False)
    _network: TwoLayerNetwork = field(init=False)
    _outputs: Array = field(init=False)  # of the last master: where the dual point is taken
    # The last network that was certified, with its certificate: what an interruption returns.
    _certified: tuple[TwoLayerNetwork, Certificate] | None = field(default=None, init=False)
    _verified: bool = field(default=False, init=False)
    _blocks: Blocks = field(init=False)
    _values: Array = field(init=False)  # of the blocks, in the last master
    _solver_status: Status | None = field(default=None, init=False)
    _n_iter: int = field(default=0, init=False)
    _history: list[Round] = field(default_factory=list, init=False)

    def run(self, start: tuple[Blocks, Array] | None = None) -> Result:
        """Run the loop, from no pattern or from given blocks and their values, of shape (B, d̃).

        Raises
        ------
        KeyboardInterrupt
            If interrupted before the first certificate; later on, the result has
            ``Status.INTERRUPTED``.
        """
        self._started = time.perf_counter()
        self._network = self.problem.zero_network()
        self._outputs = self._network.predict(self.problem.X)
        self._blocks = Blocks.none(self.problem.n_samples)
        self._values = np.zeros((0, self.problem.design.shape[1]))
        try:
            status = self._loop(start)
            self._verify()
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        if self._certified is None:
            raise KeyboardInterrupt
        return Result(
            *self._certified,
            status,
            self._history,
            self._n_iter,
            self._solver_status or Status.CONVERGED,
        )

    def _loop(self, start: tuple[Blocks, Array] | None) -> Status:
        if start is not None and len(start[0]):
            self._solve_master(*start)
        idle = 0
        while True:
            certificate, cuts = self._price()
            if certificate.relative_gap <= self.tol:
                return Status.CONVERGED
            if self._n_iter >= self.max_iter:
                return Status.MAX_ITER
            if self._seconds_left() <= 0:
                return Status.TIME_LIMIT
            if len(cuts) == 0 or idle >= _PATIENCE:
                return Status.STALLED
            objective = certificate.objective
            if not self._solve_master(cuts):
                return self._why_no_solution()
            improved = self.problem.objective(self._network) < objective * (1 - 1e-12)
            idle = 0 if improved else idle + 1

    def _price(self) -> tuple[Certificate, Blocks]:
        """Certify the network and find cuts; the verifier has the last word where the finder sees nothing to do."""
        certificate, cuts = self._ask(self.oracles.finder)
        if certificate.relative_gap <= self.tol or len(cuts) == 0:
            certificate, found = self._ask(self.oracles.verifier)
            cuts = found if self.oracles.verifier_cuts else cuts
        self._record(certificate, len(cuts))
        return certificate, cuts

    def _ask(self, oracle: Oracle) -> tuple[Certificate, Blocks]:
        certificate, report = price_and_certify(self.problem, self._network, oracle, self._outputs)
        self._verified = oracle is self.oracles.verifier
        return certificate, self._new_cuts(report)

    def _verify(self) -> None:
        """Let the verifier price the final network, whatever ended the loop."""
        if not self._verified:
            certificate, _ = self._ask(self.oracles.verifier)
            self._record(certificate, 0)

    def _new_cuts(self, report: OracleReport) -> Blocks:
        """Violated witnesses that are not in the master, strongest first."""
        known = set(self._blocks.keys())
        found = Blocks(report.masks, report.signs)
        level = self.problem.alpha * (1 + 1e-9)
        fresh = [
            i for i, key in enumerate(found.keys()) if report.values[i] > level and key not in known
        ]
        signed = report.directions * report.signs[:, None]
        n_cuts = max(_MIN_CUTS, len(self._blocks) // 3)
        return found.select(_distinct_first(signed, fresh)[:n_cuts])

    def _solve_master(self, cuts: Blocks, values: Array | None = None) -> bool:
        """Solve with `cuts` added, keep the better network, drop blocks that are zero. False without a solution.

        The master starts from its last solution, and from zero or `values` in the cuts.
        """
        blocks = self._blocks.join(cuts)
        values = np.zeros((len(cuts), self._values.shape[1])) if values is None else values
        start = np.vstack([self._values, values])
        solution = self.master.relu(
            self.problem, blocks, start=start, time_limit=self._seconds_left()
        )
        self._n_iter += 1
        self._solver_status = solution.status
        if not solution.usable:
            return False
        active = np.flatnonzero(active_blocks(solution))
        self._blocks, self._values = blocks.select(active), solution.blocks[active]
        self._outputs = solution.outputs
        candidate = recover_relu(self.problem, solution, blocks)
        if self.problem.objective(candidate) < self.problem.objective(self._network):
            self._network = candidate
        return True

    def _why_no_solution(self) -> Status:
        if self._seconds_left() <= 0:
            return Status.TIME_LIMIT
        assert self._solver_status is not None
        return self._solver_status

    def _seconds_left(self) -> float:
        if self.time_limit is None:
            return np.inf
        return self.time_limit - (time.perf_counter() - self._started)

    def _record(self, certificate: Certificate, n_cuts: int) -> None:
        self._certified = (self._network, certificate)
        entry = Round(
            seconds=time.perf_counter() - self._started,
            objective=certificate.objective,
            lower_bound=certificate.lower_bound,
            relative_gap=certificate.relative_gap,
            is_proof=certificate.is_proof,
            width=self._network.width,
            n_blocks=len(self._blocks),
            n_cuts=n_cuts,
            violation=certificate.violation,
            solver_status=self._solver_status.name if self._solver_status else "",
        )
        self._history.append(entry)
        if self.progress is not None:
            self.progress(entry)


def _distinct_first(directions: Array, index: list[int]) -> list[int]:
    """Reorder `index`: first one for every direction (closer than eight degrees is the same), then the rest."""
    leaders: list[int] = []
    rest: list[int] = []
    for i in index:
        near = leaders and (directions[leaders] @ directions[i]).max() > 0.99
        (rest if near else leaders).append(i)
    return leaders + rest
