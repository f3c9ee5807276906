"""Rounds without a program."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, train
from convexrelu.oracles.selection import choose_oracles
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.nonconvex.descent import FEW_SAMPLES
from convexrelu.solvers.registry import make_solver
from convexrelu.training import cutting_plane
from convexrelu.training import quick_rounds as module
from convexrelu.training.cutting_plane import CuttingPlane
from convexrelu.training.masters import MANY_BLOCKS, Masters
from convexrelu.training.quick_rounds import QuickRounds
from convexrelu.training.slides import GAP_OF_SLIDES
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(60, 3, 3, 0.1, 0)
ALPHA = 0.01
# From here, several quick rounds lower the objective.
ONE = TwoLayerNetwork([[1.0, 0.0, 0.0]], [0.0], [[0.5]], [0.0])


def count_calls(monkeypatch):
    """The networks of quick rounds that are better than before."""
    original, found = QuickRounds.after, []

    def counted(self, *given):
        better = original(self, *given)
        found.extend([] if better is None else [better])
        return better

    monkeypatch.setattr(QuickRounds, "after", counted)
    return found


def go_quickly(monkeypatch):
    """With few blocks and samples, too, and with small gaps."""
    monkeypatch.setattr(module, "MANY_BLOCKS", 1)
    monkeypatch.setattr(module, "MANY_SAMPLES", 1)
    monkeypatch.setattr(module, "GAP_OF_SLIDES", 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit_intercept": False},
        {"hidden_bias": False},
        {"skip": True},
        {"activation": "leaky_relu"},
    ],
)
def test_training_with_quick_rounds_ends_at_the_same_optimum(monkeypatch, options):
    problem = TrainingProblem(X, Y, ALPHA, **options)
    without = train(problem, random_state=0, tol=1e-4)
    go_quickly(monkeypatch)
    begun = count_calls(monkeypatch)
    result = train(problem, random_state=0, tol=1e-4)
    assert begun and result.status is without.status is Status.CONVERGED
    assert result.certificate.objective == pytest.approx(without.certificate.objective, rel=2e-4)
    assert result.certificate.lower_bound <= without.certificate.objective
    assert without.certificate.lower_bound <= result.certificate.objective
    assert result.certificate.objective == pytest.approx(
        problem.objective(result.network), rel=1e-9
    )
    if not options:
        assert_certifies(result.certificate, result.network, X, Y, ALPHA)


def test_every_round_on_the_way_has_a_bound_below_the_optimum(monkeypatch):
    problem = TrainingProblem(X, Y, ALPHA)
    optimum = train(problem, random_state=0, tol=1e-6).certificate
    go_quickly(monkeypatch)
    begun = count_calls(monkeypatch)
    for seed in range(3):
        history = train(problem, random_state=seed, tol=1e-4).history
        assert all(entry.lower_bound <= optimum.objective for entry in history if entry.is_proof)
        objectives = [entry.objective for entry in history]
        assert (np.diff(objectives) <= 1e-4 * ALPHA).all()
    assert begun


def blocks_for(n, n_blocks=MANY_BLOCKS):
    return Blocks(np.ones((n_blocks, n), dtype=bool), np.ones(n_blocks))


def kinds_of(drops, deadline):
    """The kinds of rounds that lower the objective by these parts, and of the one that follows."""
    n = module.MANY_SAMPLES
    quick = QuickRounds(TrainingProblem(np.zeros((n, 2)), np.ones(n), 1.0))
    objectives, blocks = np.cumprod([1.0, *(1 - np.array(drops))]), blocks_for(n)
    return [quick.begin(f, 1.0, blocks, blocks, deadline) for f in objectives]


def test_without_a_limit_quick_rounds_and_programs_take_turns():
    assert kinds_of([0.1, 0.05, 0.001, 0.0, 0.1], np.inf) == [True] * 3 + [False, True, False]


def test_with_a_limit_the_kind_that_is_faster_goes_on(monkeypatch):
    """Here each round takes ten seconds."""
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    kinds = kinds_of([0.002, 0.001, 0.0015, 0.0005], 1e9)
    assert kinds == [True, False, True, True, False]
    kinds = kinds_of([0.002, 0.05, 0.003, 0.001, 0.0005], 1e9)
    assert kinds == [True, False, False, False, True, False]
    kinds = kinds_of([0.1, 0.002, 0.001], next(clock) + 10 + 25)  # too late for a first program
    assert kinds == [True, True, True, True]
    begins = next(clock) + 10  # the sixth round has five seconds, less than a program took
    assert kinds_of([0.002, 0.05, 0.04, 0.03, 0.02], begins + 55)[-2:] == [False, True]


def test_few_samples_few_blocks_small_gaps_and_no_cuts_are_left_to_programs():
    def applies(n, n_blocks, gap, n_cuts, **options):
        y = np.resize([1.0, -1.0], n)
        quick = QuickRounds(TrainingProblem(np.zeros((n, 2)), y, 1.0, **options))
        return quick.begin(1.0, gap, blocks_for(n, n_blocks), blocks_for(n, n_cuts))

    n = module.MANY_SAMPLES
    assert applies(n, MANY_BLOCKS, GAP_OF_SLIDES, 1)
    assert not applies(FEW_SAMPLES + 1, MANY_BLOCKS, GAP_OF_SLIDES, 1)
    assert not applies(n - 1, MANY_BLOCKS, GAP_OF_SLIDES, 1)
    assert not applies(n, MANY_BLOCKS - 1, GAP_OF_SLIDES, 1)
    assert not applies(n, MANY_BLOCKS, 0.99 * GAP_OF_SLIDES, 1)
    assert not applies(n, MANY_BLOCKS, GAP_OF_SLIDES, 0)
    assert not applies(n, MANY_BLOCKS, GAP_OF_SLIDES, 1, loss="logistic")
    assert not applies(n, MANY_BLOCKS, GAP_OF_SLIDES, 1, hidden_bias="free")


def test_a_round_is_better_and_takes_cuts_in_or_there_is_none():
    x = np.linspace(-1, 1, 9)
    problem = TrainingProblem(x[:, None], np.abs(x), alpha=1e-3)
    start = TwoLayerNetwork([[1.0]], [0.0], [[0.5]], [0.0])
    before = problem.objective(start)
    cuts = Blocks((x <= 0)[None], np.ones(1), np.array([[-1.0, 0.0]]))
    better = QuickRounds(problem).after(start, before, cuts)
    assert better.width >= 2 and problem.objective(better) < before
    assert QuickRounds(problem).after(start, 0.0, cuts) is None


@pytest.mark.parametrize("deadline", [np.inf, 1e9])
def test_the_program_after_a_quick_round_that_fails_is_not_taken_for_quick(monkeypatch, deadline):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    n = module.MANY_SAMPLES
    quick = QuickRounds(TrainingProblem(np.zeros((n, 2)), np.ones(n), 1.0))
    blocks, zero = blocks_for(n), quick.problem.zero_network()
    cuts = Blocks(blocks.masks[:1], np.ones(1), np.eye(3)[:1])
    assert quick.begin(1.0, 1.0, blocks, blocks, deadline)
    assert quick.after(zero, 0.0, cuts, deadline) is None
    kinds = [quick.begin(f, 1.0, blocks, blocks, deadline) for f in (0.5, 0.25, 0.125)]
    assert kinds == [False] * 3 and quick.n_taken == 0


@pytest.mark.parametrize("drop", [0.0, 1e-7])
def test_quick_rounds_that_hardly_lower_the_objective_do_not_go_on(monkeypatch, drop):
    """Although programs lower it by nothing."""
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    drops = [0.001, 0.0, drop]
    assert kinds_of(drops, 1e9) == [True, False, True, False]
    assert kinds_of(drops, next(clock) + 10 + 35)[-1] is False  # five seconds are left


def test_a_gap_within_the_tolerance_is_left_to_a_program(monkeypatch):
    go_quickly(monkeypatch)
    gaps, original = [], QuickRounds.begin

    def noted(self, objective, gap, *rest):
        gaps.append(gap)
        return original(self, objective, gap, *rest)

    monkeypatch.setattr(QuickRounds, "begin", noted)
    for tol in (0.3, 1e-3):
        train(TrainingProblem(X, Y, ALPHA), random_state=0, tol=tol)
        assert all(gap > 0.95 * tol for gap in gaps)
    assert gaps


def test_without_the_time_for_sizes_there_is_none(monkeypatch):
    monkeypatch.setattr(module, "product_fits", lambda work, deadline: False)
    x = np.linspace(-1, 1, 9)
    problem = TrainingProblem(x[:, None], np.abs(x), alpha=1e-3)
    cuts = Blocks((x <= 0)[None], np.ones(1), np.array([[-1.0, 0.0]]))
    quick = QuickRounds(problem)
    assert quick.after(problem.zero_network(), np.inf, cuts) is None and quick.n_taken == 0


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "cvxpy:CLARABEL"},
        {"effort": "predict"},
    ],
)
def test_given_solvers_work_alone_and_where_only_predictions_matter_rounds_have_programs(
    monkeypatch, options
):
    go_quickly(monkeypatch)
    solved, original = [], CuttingPlane._solve

    def counted(self, cuts):
        solved.append(cuts)
        return original(self, cuts)

    monkeypatch.setattr(CuttingPlane, "_solve", counted)
    monkeypatch.setattr(QuickRounds, "begin", lambda *given: pytest.fail("a round is quick"))
    train(TrainingProblem(X[:30], Y[:30], ALPHA), random_state=0, max_iter=3, **options)
    assert solved


def test_given_patterns_stay(monkeypatch):
    go_quickly(monkeypatch)
    problem = TrainingProblem(X[:30], Y[:30], ALPHA)
    oracles, solver = choose_oracles("search", problem.design, 0), make_solver("auto")
    monkeypatch.setattr(QuickRounds, "begin", lambda *given: pytest.fail("a round is quick"))
    CuttingPlane(problem, solver, oracles, fixed_patterns=True, max_iter=2).run()


def test_quick_rounds_are_no_programs_of_the_limit(monkeypatch):
    go_quickly(monkeypatch)
    begun, programs, original = count_calls(monkeypatch), [], Masters.solve

    def counted(self, blocks, *rest, **options):
        programs.append(len(blocks))
        return original(self, blocks, *rest, **options)

    monkeypatch.setattr(Masters, "solve", counted)
    limits = []
    monkeypatch.setattr(cutting_plane, "will_not_close", lambda *given: limits.append(given[2]))
    result = train(TrainingProblem(X, Y, ALPHA), start=ONE, random_state=0, max_iter=2, tol=1e-9)
    assert begun and result.n_iter == len(programs) <= 2
    assert limits[-1] == 2 + len(begun)  # rounds in all


def test_the_dual_point_of_a_quick_round_is_that_of_its_network(monkeypatch):
    go_quickly(monkeypatch)
    original, points = CuttingPlane._found_cuts, []

    def noted(self):
        if self._quick.n_taken > len(points):
            points.append((self._v, self.problem.dual_point(self._outputs)))
        return original(self)

    monkeypatch.setattr(CuttingPlane, "_found_cuts", noted)
    train(TrainingProblem(X, Y, ALPHA), start=ONE, random_state=0, max_iter=2)
    assert points
    for priced, own in points:
        np.testing.assert_array_equal(priced, own)
