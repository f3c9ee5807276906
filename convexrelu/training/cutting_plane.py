"""The cutting-plane loop: generate the patterns that the optimum needs, until the gap is closed.

    network ─► dual point ─► oracle ─► certificate ─► small gap? stop
       ▲                       │ cuts
       └──── master ◄── blocks ◄┘

In the dual, every block of the master is one constraint of ``M(v) ≤ alpha``, and the oracle finds
violated ones: cutting planes. In the primal it is column generation, whose loop is in
:mod:`convexrelu.column_generation`. It stops on the certificate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from convexrelu._utils.deadlines import latest_start, product_fits
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import CLAIMED_SHARE, Pricing
from convexrelu.column_generation import ColumnGeneration
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle
from convexrelu.oracles.selection import OraclePair
from convexrelu.problem.dual import level_for
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import (
    active_blocks,
    blocks_of,
    dual_of,
    recover_relu,
    with_best_intercept_and_outputs,
)
from convexrelu.results.result import Result, Round
from convexrelu.results.status import Status
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.first_order.outer_weights import with_best_outer_weights
from convexrelu.solvers.nonconvex.descent import FEW_SAMPLES
from convexrelu.solvers.nonconvex.interrupted import DescentInterrupted
from convexrelu.solvers.nonconvex.sketches import Look
from convexrelu.training.claims import n_searches, unconfirmed
from convexrelu.training.cuts import are_too_few, new_cuts
from convexrelu.training.dual_state import DualPoint, DualState
from convexrelu.training.easing import Easing
from convexrelu.training.masters import Masters
from convexrelu.training.outer_step import closes_much, has_outer_step
from convexrelu.training.quick_rounds import QuickRounds
from convexrelu.training.slides import Slides
from convexrelu.training.stalling import PATIENT, Patience, will_not_close

__all__ = ["CuttingPlane"]

_AS_GOOD = 1e-3  # loss in objective, as a fraction of tol, accepted for fewer neurons
_SHARE_OF_TOL = 0.95  # fraction of the tolerance that a proof must reach
# Fraction of the time after which descent ends.
_TIME_FOR_DESCENT = 0.5
# Work that cannot be interrupted: multiplications for an entry of the design, and evaluations of so many neurons.
_PASSES, _EVALUATIONS, _NEURONS = 300, 4, 100
# Values of the dual along rays in a pricing, for a sample and each of several outputs: 4 microseconds were measured.
_OF_DUALS = 40_000


@dataclass(eq=False)
class CuttingPlane(ColumnGeneration[TwoLayerNetwork, Blocks]):
    """Cutting planes around a program solver and an oracle.

    Every round solves the master problem, prices its dual point, and adds the blocks that violate the dual
    constraints most. Blocks that are zero in a better solution are dropped; otherwise
    all are kept, so that dropping cannot cycle. A dual point stays valid: the certificate uses
    the best one of all rounds, with all violations of it that later rounds find.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    solver : ProgramSolver
        Solves the finite programs.
    oracles : OraclePair
        One that finds cuts, and one that is called when the first finds the gap closed, and for the
        final certificate.
    descend : callable, optional
        Makes networks to start from, given a deadline and what is called with networks on the way, see
        :class:`~convexrelu.solvers.nonconvex.sketches.Sketches`; called if no start is given. Without it, the loop
        starts without patterns.
    warm_up_solver : ProgramSolver, optional
        Solves the programs after `descend`, as long as each round lowers the objective, by up to 1 %: it
        is faster while most patterns are wrong, as it moves them.
    fixed_patterns : bool
        Whether blocks may have only the patterns that the oracles return: a network does not determine its patterns
        if a sample is on a kink.
    patience : Patience
        When to end with a gap that will not close.
    pricing : Pricing, optional
        That of a class of networks.
    easing : Easing, optional
        How dual points are moved to where more can be proved.
    tol, max_iter, time_limit, started, progress, settles
        As for :class:`~convexrelu.column_generation.ColumnGeneration`, by keyword. With more than 5000 samples, a loop
        that `settles` ends when the first network of `descend` has been priced.
    """

    problem: TrainingProblem
    solver: ProgramSolver
    oracles: OraclePair
    descend: Callable[[float, Look], Iterable[TwoLayerNetwork]] | None = None
    warm_up_solver: ProgramSolver | None = None
    fixed_patterns: bool = False
    patience: Patience = PATIENT
    pricing: Pricing | None = None
    easing: Easing | None = None

    _TIME_FOR_ROUNDS: ClassVar[float] = 0.9  # the rest is for the final certificate

    _start: TwoLayerNetwork | None = field(default=None, init=False)
    _objective: float = field(init=False)  # of the best network
    _outputs: Array = field(init=False)  # of the best network, but for a constant
    _v: Array = field(init=False)  # dual point of the last master problem
    _dual: DualState = field(init=False)
    _blocks: Blocks = field(init=False)
    _values: Array = field(init=False)  # of the blocks, in the last master problem
    _masters: Masters = field(init=False)
    _slides: Slides = field(init=False)
    _quick: QuickRounds = field(init=False)
    _uncertified: TwoLayerNetwork | None = field(default=None, init=False)  # of descent
    _n_sketches: int = field(default=0, init=False)  # rounds of networks on the way of descent
    _was_cut_short: bool = field(default=False, init=False)  # the last search, by time

    def run(self, start: TwoLayerNetwork | None = None) -> Result:
        """Run the loop, from the patterns of a network if one is given.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before there is a network of descent, or else before the first certificate; later on, the
            result has ``Status.INTERRUPTED``.
        """
        self._start = start
        return super().run()

    def _begin(self) -> Status | None:
        self._best = self.problem.zero_network()
        self._outputs = self.problem.no_outputs()  # a constant's dual point is that of any other
        self._objective = self.problem.objective(self._best)
        self._v = self.problem.dual_point(self._outputs)
        self.pricing = self.pricing or Pricing(self.problem)
        resolution = CLAIMED_SHARE * self.tol
        self._masters = Masters(self.problem, self.solver, self.warm_up_solver)
        self._slides, self._quick = Slides(self.problem), QuickRounds(self.problem)
        self._dual = DualState(self.problem, self._deadline(1.0), resolution, self.pricing)
        self._blocks = Blocks.none(self.problem.n_samples, self.problem.n_outputs)
        self._values = np.zeros((0, self.problem.design.shape[1]))
        self._begin_with_all(self._starts())
        if self._has_time_to_price():
            return None
        if self._certified is None:
            self._record(self._dual.begin(self._objective, self._v), 0)
        return Status.TIME_LIMIT

    def _starts(self) -> Iterable[TwoLayerNetwork]:
        """Networks to begin with; none by descent without the time to evaluate them."""
        if self._start is not None:
            return [self._start]
        if self.descend is None:
            return []
        work = _EVALUATIONS * self.problem.work_of_outputs(_NEURONS)
        end = min(self._deadline(_TIME_FOR_DESCENT), latest_start(work, self._deadline(1.0)))
        passes = _PASSES * float(self.problem.design.size)
        return self.descend(end, self._sketch) if product_fits(passes, end) else []

    def _begin_with_all(self, networks: Iterable[TwoLayerNetwork]) -> None:
        try:
            for network in networks:
                self._uncertified = network if self._start is None else None
                self._begin_with(network)
                self._uncertified = None
                if self.settles or self._is_to_stop():  # the next ones hardly predict better
                    break
        except DescentInterrupted as early:
            self._uncertified = early.network
            raise

    def _sketch(self, network: TwoLayerNetwork) -> bool:
        """Record a network on the way of descent, with the bound of the first one; whether descent is to end there."""
        if self._keep(network):
            if self._n_sketches == 0:
                v = self.problem.dual_point(self._outputs)
                certificate = self._dual.begin(self._objective, v)
            else:
                certificate = self._dual.begun(self._objective)
            self._n_sketches += 1
            self._record(certificate, 0)
        return self._is_to_stop()

    def _rescue(self) -> None:
        """Certify the network of descent, which may be worth all the time until now."""
        if self._uncertified is not None:
            self._begin_with(self._uncertified)

    def _has_time_to_price(self) -> bool:
        """Whether rounds may go on, or a pricing takes hardly any time."""
        problem, end = self.problem, self._deadline(1.0)
        n_outputs = problem.n_outputs if problem.n_outputs > 1 else 0
        if not product_fits(_OF_DUALS * float(problem.n_samples * n_outputs), end):
            return False
        return self._seconds_left() > 0 or product_fits(_PASSES * float(problem.design.size), end)

    def _result(self, best: TwoLayerNetwork, certificate: Certificate, status: Status) -> Result:
        point = self._dual.best
        result = super()._result(best, certificate, status)
        return replace(result, dual=None if point is None else point.v)

    def _shown(self, entry: Round) -> Round:
        return replace(entry, network=self._best, certificate=self._certificate)

    @property
    def _n_columns(self) -> int:
        return len(self._blocks)

    # Dual side: prices, cuts, certificates

    def _price(self) -> tuple[Certificate, Blocks]:
        """Certify the network and find cuts; call exact pricing if heuristic pricing finds no cuts or a small gap."""
        v, cuts = self._v, self._found_cuts()
        certificate = self._dual.certify(self._objective)
        nothing = len(cuts) == 0 and not self._masters.is_rough
        seems_done = self._is_small(certificate) or nothing
        if seems_done and self._is_solved:  # the program of descent's blocks comes before a proof
            assert self._dual.best is not None
            best = self._dual.best.v
            for point in [best] if len(cuts) or best is v else [best, v]:
                ends = self._is_small(certificate) or self._seconds_left() <= 0
                if ends and self._dual.best.verified:
                    break
                found = self._ask_exactly(point)
                cuts = found if len(found) and self.oracles.exact_cuts else cuts
                certificate = self._dual.certify(self._objective)
        self._masters.warming_up &= not seems_done
        return self._claimed(), cuts

    def _found_cuts(self) -> Blocks:
        """Cuts by heuristic pricing, which is asked again where programs take longer and it finds many more."""
        heuristic, exact, _ = self.oracles
        cuts, n_before = self._ask(heuristic, self._v), 0
        while heuristic is not exact and self._seconds_left() > 0:
            if not are_too_few(self.problem, self._blocks, n_before, len(cuts)):
                break
            n_before, cuts = len(cuts), self._ask(heuristic, self._v)
        return cuts

    def _ask_exactly(self, v: Array, *, sharply: bool = False) -> Blocks:
        """Exact pricing; where that is a search and the gap is small, as many searches as the tolerance needs."""
        if not sharply and self._ease(is_brief=True):
            return self._blocks.select([])
        cuts = self._ask(self.oracles.exact, v, sharply=sharply)
        if self.settles:  # only predictions matter
            return cuts
        for _ in range(n_searches(self.tol) - 1):
            best = self._dual.best
            assert best is not None
            certificate = self._dual.certify(self._objective)
            if best.v is not v or certificate.is_proof or not self._is_small(certificate):
                break
            # A proof that was tried in vain is not tried again.
            tried = math.isfinite(best.report.proved_bound)
            searched = self.oracles.heuristic if tried else self.oracles.exact
            found = self._ask(searched, v, sharply=sharply)
            cuts = found if len(found) else cuts
        return cuts

    def _ease(self, *, is_brief: bool) -> bool:
        """Prove more near the best dual point: whether it is so, or if `is_brief`, whether that closes the gap."""
        if self.easing is None:
            return False
        wanted = self._objective * (1 - _SHARE_OF_TOL * self.tol)
        end = self._deadline(None if is_brief else 1.0)
        return self.easing.prove(self._dual, self._objective, wanted, end, is_brief)

    def _claimed(self) -> Certificate:
        """Certificate of the best network, without a closed gap that a search was cut short in confirming."""
        found = self._dual.certify(self._objective)
        doubtful = self._was_cut_short and self._is_small(found) and not self._is_certain(found)
        return unconfirmed(found, self._history, self.tol) if doubtful else found

    def _ask(self, oracle: Oracle, v: Array, *, sharply: bool = False) -> Blocks:
        """Price a dual point, remember it if it is the best so far, and return the cuts."""
        problem, verified = self.problem, oracle is self.oracles.exact
        level = problem.alpha if problem.n_outputs == 1 and not verified else 0.0
        if verified and not sharply:
            level = level_for(problem, v, self._objective * (1 - _SHARE_OF_TOL * self.tol))
        assert self.pricing is not None
        deadline = self._deadline(1.0 if sharply else None)
        report = self.pricing.report(self._best, oracle, v, level=level, deadline=deadline)
        self._was_cut_short = not report.finished
        self._dual.consider(DualPoint(problem, v, report, verified), self._best)
        return new_cuts(problem, self._blocks, report, self.tol)

    def _is_small(self, certificate: Certificate) -> bool:
        """Whether the gap is within the tolerance; estimates need the same margin as proofs."""
        margin = 1.0 if certificate.is_proof else _SHARE_OF_TOL
        return certificate.relative_gap <= margin * self.tol

    def _is_certain(self, certificate: Certificate) -> bool:
        """Whether more than heuristic pricing supports the gap."""
        best = self._dual.best
        return certificate.is_proof or (best is not None and best.verified)

    def _is_closed(self) -> bool:
        found = self._certificate
        return found is not None and self._is_small(found) and self._is_certain(found)

    def _reason_to_stop(self, n_new: int) -> Status | None:
        reason = super()._reason_to_stop(max(n_new, self._masters.is_rough))
        if reason is None and self.settles and self.problem.n_samples > FEW_SAMPLES:
            return Status.SETTLED
        if reason is Status.STALLED and self._was_cut_short and self.time_limit is not None:
            return Status.TIME_LIMIT  # there may be cuts
        rounds = self._history[self._n_sketches :]
        most = self.max_iter and self.max_iter + self._quick.n_taken
        if reason is None and will_not_close(rounds, self.tol, most, self.patience):
            return Status.STALLED
        return reason

    def _conclude(self, status: Status) -> Status:
        """Price the best dual point exactly, unless a callback ended the loop; none was priced if time ended early."""
        best = self._dual.best
        if status is Status.STOPPED:
            return status
        if self._has_time_to_price() if best is None else not best.verified:
            self._ask_exactly(self._v if best is None else best.v, sharply=True)
            self._record(self._claimed(), 0)
        assert self._certificate is not None
        proved = self._certificate.proved_lower_bound
        if proved < self._objective * (1 - self.tol) and self._ease(is_brief=False):
            self._record(self._claimed(), 0)
        small = self._certificate.relative_gap <= self.tol
        return Status.CONVERGED if small and self._is_certain(self._certificate) else status

    # Primal side: programs and networks

    def _begin_with(self, network: TwoLayerNetwork) -> None:
        """Certify a network immediately, with a closed-form bound: pricing and the first program are slower."""
        self._take(network)
        self._masters.begin(len(self._blocks))
        # The optimum of a program has far fewer neurons than the result of descent.
        self._is_solved = len(self._blocks) == 0
        self._v = self.problem.dual_point(self._outputs)
        self._record(self._dual.begin(self._objective, self._v), 0)

    def _take(self, network: TwoLayerNetwork) -> None:
        """Keep the blocks of a network, and the network if it is better than a constant.

        Neurons of one block are one neuron, at a smaller penalty: cones are convex. A network with hidden biases where
        the problem has none is not kept: it only lends its patterns.
        """
        problem = self.problem
        self._blocks, self._values = blocks_of(network, problem)
        if problem.hidden_bias or not network.hidden_bias.any():
            merged = problem.merged(network)
            self._keep(*with_best_intercept_and_outputs(problem, merged))
            if len(self._blocks) < merged.width:  # otherwise the neurons are the same
                joined = problem.network(
                    self._values, self._blocks.signs, network.output_bias, network.skip_weights
                )
                self._keep(*with_best_intercept_and_outputs(problem, joined))

    def _certify_unpriced(self) -> Certificate:
        self._dual.meet(self._best)
        return self._dual.certify(self._objective)

    def _solve(self, cuts: Blocks) -> tuple[Status, bool]:
        """Solve the master problem with `cuts` added, first for their outer weights if that applies and helps."""
        if self._solve_quickly(cuts):
            return self._solver_status or Status.CONVERGED, True
        problem = self.problem
        if self._n_iter > 0 and has_outer_step(problem) and not self.fixed_patterns:
            assert cuts.directions is not None
            candidate = with_best_outer_weights(
                problem, self._best, cuts.directions, self._deadline()
            )
            before = self._objective
            if self._keep(candidate):
                blocks, values = blocks_of(candidate, problem)
                assert self._certificate is not None
                if closes_much(before, self._objective, self._certificate.lower_bound):
                    return self._solve_program(blocks, values)
                self._blocks, self._values = blocks, values
                known = set(blocks.keys())
                cuts = cuts.select([i for i, key in enumerate(cuts.keys()) if key not in known])
        zeros = np.zeros((len(cuts), self._values.shape[1]))
        return self._solve_program(self._blocks.join(cuts), np.vstack([self._values, zeros]))

    def _solve_program(self, blocks: Blocks, start: Array) -> tuple[Status, bool]:
        """Solve, keep the better network, drop zero blocks."""
        before = self._objective
        self._is_solved = not self._masters.warming_up
        gap = self._certificate.relative_gap if self._certificate is not None else 0.0
        n_new = len(blocks) - len(self._blocks)
        solution = self._masters.solve(blocks, start, self._seconds_left(), gap=gap, n_new=n_new)
        if not solution.usable:
            return solution.status, False
        blocks = blocks if solution.moved is None else solution.moved
        self._v = dual_of(self.problem, solution)
        better = self._keep(recover_relu(self.problem, solution, blocks))
        self._masters.progressed(before, self._objective)
        kept = np.flatnonzero(active_blocks(solution) if better else np.ones(len(blocks)))
        self._blocks, self._values = blocks.select(kept), solution.blocks[kept]
        if better and self._masters.is_rough and self._slides.apply(gap, self._blocks):
            self._slide()
        return solution.status, True

    def _slide(self) -> None:
        """Take the neurons where descent moves them, out of the cones of the program."""
        if self._seconds_left() > 0 and not self.fixed_patterns:
            self._move_to(self._slides.after(self._best, self._objective, self._deadline()))

    def _solve_quickly(self, cuts: Blocks) -> bool:
        """A round without a program, where it is time for one: whether it found a better network."""
        before, end = self._certificate, self._deadline()
        if before is None or self.settles or self.fixed_patterns or self._is_small(before):
            return False
        state = self._objective, before.relative_gap, self._blocks, cuts, end
        begins = self._masters.takes_roughness and self._quick.begin(*state)
        better = begins and self._move_to(self._quick.after(self._best, self._objective, cuts, end))
        if better:
            self._v = self.problem.dual_point(self._outputs)
            self._is_solved, self._masters.is_rough = False, True
            self._n_iter -= 1  # of programs
        return better

    def _move_to(self, network: TwoLayerNetwork | None) -> bool:
        """Keep a network and its blocks, if it is better."""
        better = network is not None and self._keep(network)
        if better:
            self._blocks, self._values = blocks_of(self._best, self.problem)
        return better

    def _keep(self, candidate: TwoLayerNetwork, outputs: Array | None = None) -> bool:
        """Keep a better network, or an equally good and narrower one. True if it is better."""
        outputs = candidate.predict(self.problem.X) if outputs is None else outputs
        before, now = self._objective, self.problem.objective(candidate)
        better = now < before * (1 - 1e-12)
        narrower = candidate.width < self._best.width
        if better or (narrower and now <= before * (1 + _AS_GOOD * self.tol)):
            self._best, self._outputs, self._objective = candidate, outputs, now
        return better
