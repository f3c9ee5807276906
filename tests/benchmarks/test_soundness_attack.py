"""The attack on soundness finds faults that are planted, and its formulas are those of the reference."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.soundness import (
    boxes,
    classes,
    constraints,
    estimators,
    oracles,
    slopes,
    trainings,
)
from benchmarks.soundness.beside import attempted
from benchmarks.soundness.cases import DATA, LOSSES, Case, draw
from benchmarks.soundness.evaluator import evaluate
from benchmarks.soundness.files import attack
from benchmarks.soundness.gates import better_networks
from benchmarks.soundness.judge import Finding, judged
from benchmarks.soundness.oracles import wrong_bounds
from benchmarks.soundness.refuter import Scaled, all_masks, candidates, solve_program
from benchmarks.soundness.shrink import script, shrunk
from convexrelu import Certificate, Result, Status, TrainingProblem, TwoLayerNetwork
from convexrelu.constrained import train_in_class
from convexrelu.losses import Quantiles
from convexrelu.networks import GatedNetwork
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.output_constraints import OutputConstraints, train_with_output_constraints
from tests import reference

CASE = Case(
    0,
    np.array([[-2.0], [-1.0], [0.5], [1.0], [3.0]]),
    np.array([2.0, 1.0, 0.0, 1.0, 3.0]),
    0.01,
    {"sample_weight": np.array([1.0, 2.0, 1.0, 1.0, 1.0])},
    "train",
    {"random_state": 0},
    follow=(),
)


def random_network(rng, d, k, slope=0.0, skip=False):
    arrays = rng.standard_normal((3, d)), rng.standard_normal(3), rng.standard_normal((k, 3))
    skip_weights = rng.standard_normal((k, d)) if skip else None
    c = rng.standard_normal(k)
    return TwoLayerNetwork(*arrays, c, negative_slope=slope, skip_weights=skip_weights)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden_bias", [True, "free"])
def test_objectives_are_those_of_the_reference(loss, hidden_bias):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 2))
    y = {"poisson": np.arange(6.0), "multinomial": np.arange(6.0) % 3}.get(loss)
    y = np.where(np.arange(6) % 2, 1.0, -1.0) if y is None else y
    parameter = {"huber": 1.0, "quantile": 0.5}.get(loss)
    options = {"loss": loss, "activation": "leaky_relu", "hidden_bias": hidden_bias}
    options |= {"skip": True, "skip_alpha": 0.3, "sample_weight": rng.uniform(0.5, 1.0, 6)}
    case = Case(0, X, y, 0.1, options, "train", {}, parameter)
    network = random_network(rng, 2, 3 if loss == "multinomial" else 1, 0.01, skip=True)
    found = evaluate(trainings.arrays_of(network), case.task())
    expected = reference.regularised_loss(
        network,
        X,
        y,
        0.1,
        loss=loss,
        free_bias=hidden_bias == "free",
        skip_alpha=0.3,
        weights=options["sample_weight"],
    )
    assert float(found.objective) == pytest.approx(expected, rel=1e-13)
    assert 0 < found.rounding < 1e-12 * expected


def test_gated_networks_are_evaluated_by_their_gates():
    rng = np.random.default_rng(0)
    gated = GatedNetwork(
        rng.standard_normal((3, 2)), rng.standard_normal((3, 2)), 0.5, hidden_bias=True
    )
    case = replace(CASE, options={"activation": "gated_relu"})
    found = evaluate(trainings.arrays_of(gated), case.task())
    fit = 0.5 * np.mean((gated.predict(CASE.X) - CASE.y) ** 2)
    assert float(found.objective) == pytest.approx(fit + CASE.alpha * gated.penalty(), rel=1e-13)
    better = better_networks(case.task(), trainings.arrays_of(gated), 0)
    assert evaluate(better[0], case.task()).objective < found.objective


def test_cells_are_all_there():
    rows = np.random.default_rng(0).standard_normal((5, 3))
    assert len(all_masks(rows)) == reference.count_cells(rows) == 22


@pytest.mark.parametrize("hidden_bias", [True, False, "free"])
def test_units_and_back(hidden_bias):
    """Descent starts from a network, and what it finds is a network, in whatever units the data are."""
    options = {"hidden_bias": hidden_bias, "skip": True, "skip_alpha": 0.5}
    case = replace(CASE, X=1e5 * CASE.X + 1e6, y=1e-3 * CASE.y, options=options)
    network = random_network(np.random.default_rng(0), 1, 1, skip=True)
    if not hidden_bias:
        network = replace_bias(network)
    scaled, given = Scaled(case.task()), trainings.arrays_of(network)
    again = evaluate(scaled.network(*scaled.parameters(given)), case.task())
    expected = evaluate(given, case.task())
    assert np.allclose(again.outputs.astype(float), expected.outputs.astype(float), rtol=1e-9)


def replace_bias(network):
    parts = network.hidden_weights, np.zeros(network.width), network.output_weights
    return TwoLayerNetwork(*parts, network.output_bias, skip_weights=network.skip_weights)


def test_the_refuter_reaches_the_optimum():
    found = candidates(CASE.task(), [], 0)
    lowest = min(evaluate(one, CASE.task()).objective for one in found)
    optimum = reference.train_exactly(
        CASE.X, CASE.y, CASE.alpha, sample_weight=CASE.options["sample_weight"]
    )
    assert float(lowest) == pytest.approx(optimum, rel=1e-6)


def planted(monkeypatch, **changes):
    """Training that takes the constant network for the optimum, with changes to its certificate."""

    def train(problem, **_):
        network = problem.zero_network()
        objective = problem.objective(network)
        values = {"objective": objective, "lower_bound": objective, "scope": "global"}
        values |= {"method": "sweep", "is_proof": True, "proved_lower_bound": 0.0, **changes}
        return Result(network, Certificate(**values), Status.CONVERGED)

    monkeypatch.setattr(trainings, "train", train)


@pytest.mark.parametrize("is_proof", [True, False])
def test_wrong_bounds_are_refuted(monkeypatch, is_proof):
    planted(monkeypatch, is_proof=is_proof)
    findings, counts = judged(CASE)
    kind = "refuted proof" if is_proof else "refuted estimate"
    assert [finding.kind for finding in findings] == [kind]
    assert counts["trainings"] == counts["problems"] == 1


def test_wrong_objectives_and_statuses_are_found(monkeypatch):
    right = TrainingProblem(CASE.X, CASE.y, CASE.alpha, **CASE.options)
    objective = right.objective(right.zero_network())
    planted(monkeypatch, objective=objective * (1 + 1e-12), lower_bound=0.0)
    kinds = {finding.kind for finding in judged(CASE)[0]}
    assert kinds == {"objective mismatch", "inconsistent"}  # CONVERGED with a gap of one


@pytest.mark.slow
def test_findings_are_made_smaller_and_their_scripts_run(monkeypatch, capsys):
    planted(monkeypatch)
    found = judged(CASE)[0][0]
    small = shrunk(found, 5.0)
    assert small.kind == found.kind and len(small.case.X) < len(CASE.X)
    assert "sample_weight" not in small.case.options
    exec(compile(script(small), "script", "exec"), {})
    assert "global optimum" in capsys.readouterr().out  # by what is not planted


def test_right_answers_pass():
    assert judged(CASE)[0] == []


@pytest.mark.parametrize("hidden_bias", [True, "free"])
def test_proofs_of_oracles_that_are_too_small_are_found(monkeypatch, hidden_bias):
    case = replace(CASE, options={"hidden_bias": hidden_bias})
    n_bounds, texts = wrong_bounds(case)
    assert n_bounds > 0 and texts == []
    exact = oracles.oracles_for(TrainingProblem(CASE.X, CASE.y, 1.0, **case.options), "auto").exact

    def lowered(v, **_):
        report = exact(v)
        return replace(report, bound=report.bound * (1 - 1e-9))

    monkeypatch.setattr(oracles, "_reports", lambda problem, v, rng: [("lowered", lowered(v))])
    assert len(wrong_bounds(case)[1]) == 1


def test_files_that_are_read_as_other_networks_are_found(monkeypatch):
    monkeypatch.setattr(
        TwoLayerNetwork, "load", classmethod(lambda cls, path: TwoLayerNetwork.constant(1))
    )
    found = [one for one in attack(0, 0.05) if one is not None]
    assert found and all(isinstance(one, Finding) and one.kind == "file" for one in found)


def test_cases_have_everything():
    cases = [draw(seed) for seed in range(300)]
    assert {case.options.get("loss", "squared_error") for case in cases} == set(LOSSES)
    calls = {"train", "train_in_chunks", "regularization_path", "certify"}
    assert {case.call for case in cases} == calls
    activations = {case.options.get("activation", "relu") for case in cases}
    assert activations == {"relu", "leaky_relu", "absolute_value", "gated_relu", "threshold"}
    assert len(DATA) == len(set(DATA))
    twice = draw(7), draw(7)
    assert np.array_equal(twice[0].X, twice[1].X) and twice[0].keywords == twice[1].keywords


def test_boxes_that_are_closed_by_mistake_are_found(monkeypatch):
    rows, v = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([1.0, -1.0])
    rng = np.random.default_rng(0)
    assert boxes.trouble(rows, v, rng) == ""
    monkeypatch.setattr(boxes, "CompiledBound", ClosedByMistake)
    monkeypatch.setattr(boxes, "CornerBound", ClosedByMistake)
    assert "is reached" in boxes.trouble(rows, v, rng)


class ClosedByMistake(CornerBound):
    def explore(self, boxes, target, max_work):
        found = super().explore(boxes, 1.0001 * target, max_work)
        return found._replace(left=found.left.select(slice(0)), value=0.0)


def test_networks_without_neurons_have_no_better_ones_over_their_gates():
    gated = GatedNetwork(np.zeros((0, 2)), np.zeros((0, 2)), 0.5, hidden_bias=True)
    task = replace(CASE, options={"activation": "gated_relu"}).task()
    assert better_networks(task, trainings.arrays_of(gated), 0) == []
    assert solve_program(Scaled(CASE.task()), np.zeros((0, 5), dtype=bool)) is None


def test_objectives_may_be_rounded_up_by_lengths():
    """The package bounds a sum of |x_i w_i| by the product of two lengths."""
    network = TwoLayerNetwork([[1e-3, 0.0]], [0.0], [[1.0]], [0.0])
    case = replace(CASE, X=np.array([[1.0, 1e6], [2.0, -1e6]]), y=np.ones(2), options={})
    found = evaluate(trainings.arrays_of(network), case.task())
    above = TrainingProblem(case.X, case.y, case.alpha).objective(network) - found.objective
    assert found.rounding < above < found.rounding_up


@pytest.mark.parametrize(
    ("room", "others"),
    [
        (classes, "better_in_class"),
        (constraints, "better_networks"),
        (estimators, "candidates"),
    ],
)
def test_bounds_within_classes_that_are_too_large_are_found(monkeypatch, room, others):
    """Those of everything that trains under constraints, or for an estimator, are looked at."""
    monkeypatch.setattr(room, others, lambda *_: [])  # the network itself is enough here
    assert room.findings_of(1) == []
    judge = room.findings_beside

    def planted(seed, network, certificate, *rest):
        too_large = 1.1 * certificate.objective
        wrong = replace(certificate, lower_bound=too_large, proved_lower_bound=too_large)
        return judge(seed, network, wrong, *rest)

    monkeypatch.setattr(room, "findings_beside", planted)
    assert "refuted proof" in {finding.kind for finding in room.findings_of(1)}


def test_bounds_on_slopes_that_are_too_small_are_found(monkeypatch):
    monkeypatch.setattr(slopes, "_POINTS", 200)
    monkeypatch.setattr(slopes, "_CORNERS", 10)
    seeds = range(2)
    assert [slopes.findings_of(seed) for seed in seeds] == [[]] * len(seeds)
    bounded = slopes.lipschitz_constant

    def planted(*args, **options):
        found = bounded(*args, **options)
        return replace(found, upper=0.9 * found.upper)

    monkeypatch.setattr(slopes, "lipschitz_constant", planted)
    found = {finding.kind for seed in seeds for finding in slopes.findings_of(seed)}
    assert found == {"refuted proof", "inconsistent"}


def test_networks_to_compare_with_are_in_the_class():
    """Those of a class are no worse than training; those under constraints meet them."""
    rng = np.random.default_rng(0)
    limits = np.ones(1)
    found = classes.better_in_class(CASE, limits, False, rng)
    assert found and all(classes.is_inside(one, limits, False) for one in found)
    lowest = min(evaluate(one, CASE.task()).objective for one in found)
    problem = TrainingProblem(CASE.X, CASE.y, CASE.alpha, **CASE.options)
    trained = train_in_class(problem, limits, random_state=0).certificate.objective
    assert float(lowest) == pytest.approx(trained, rel=2e-3)
    rows = constraints.Rows(CASE.X[:2], np.eye(1), 1.5, equal=False)
    start = trainings.arrays_of(problem.zero_network())
    (better,) = constraints.better_networks(CASE.task(), rows, start, rng)
    assert (rows.excess(better)[0] <= 0).all()
    held = OutputConstraints(rows.points, rows.A, rows.b)
    trained = train_with_output_constraints(problem, held, random_state=0).certificate.objective
    assert float(evaluate(better, CASE.task()).objective) == pytest.approx(trained, rel=2e-3)


def test_what_raises_is_found_but_for_refusals():
    assert attempted(lambda: 1, 3, "code") == (1, [])
    assert attempted(lambda: int("word"), 3, "code") == (None, [])
    nothing, (finding,) = attempted(lambda: 1 / 0, 3, "code")
    assert nothing is None
    assert (finding.kind, finding.seed, finding.code) == ("error", 3, "code")
    assert "ZeroDivisionError" in finding.text


def test_errors_of_several_outputs_do_not_cancel():
    """Between two levels slopes have both signs: outputs that are off together would hardly move the loss."""
    levels = np.array([0.5, 0.5])
    network = TwoLayerNetwork([[1.0]], [0.0], [[1.0], [1.0]], [0.5, -0.5])
    options = {"loss": "quantile", "hidden_bias": False}
    X, y = np.ones((4, 1)), np.ones((4, 2))
    case = replace(CASE, X=X, y=y, options=options, loss_parameter=levels)
    problem = TrainingProblem(X, y, case.alpha, loss=Quantiles(levels), hidden_bias=False)
    found = evaluate(trainings.arrays_of(network), case.task())
    each = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.5])
    alone = replace(case, y=y[:, 0], loss_parameter=0.5)
    of_one = evaluate(trainings.arrays_of(each), alone.task())
    assert found.rounding >= 1.5 * of_one.rounding
    assert abs(problem.objective(network) - found.objective) <= found.rounding_up
