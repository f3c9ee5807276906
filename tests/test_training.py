"""Options of train, and paths."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, regularization_path, train
from convexrelu.problem import ACTIVATIONS
from convexrelu.programs import GatedProgramme, ReLUProgramme
from convexrelu.training import PATTERNS
from tests import reference
from tests.honest import assert_certifies, assert_same_network

X, Y = reference.teacher(20, 2, 2, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.01)

BAD_OPTIONS = {
    "patterns": ["all", None, 3, [1.0, 2.0, 3.0], [[1.0, 2.0]], np.zeros((0, 3)), [["a"] * 3]],
    "n_patterns": [0, -1, 1.5, True, "5", None],
    "solver": ["MOSEK", "cvxpy:MOSEK", "CLARABEL", None, 3],
    "oracle": ["exact", "relaxation", None, 3],
    "tol": [-1e-3, np.nan, np.inf, True, "1", None],
    "max_iter": [0, -1, 1.5, True, "5", None],
    "time_limit": [-1.0, np.nan, np.inf, True, "5"],
    "start": [TwoLayerNetwork.constant(3), TwoLayerNetwork.constant(2, [0.0, 1.0]), 3, "zero"],
    "random_state": ["seed", -1, 1.5],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_OPTIONS.items() for value in values]
)
def test_bad_options_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        train(PROBLEM, **{name: value})


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="width"):
        train(PROBLEM, width=3)


def test_messages_list_the_choices():
    with pytest.raises(ValueError, match="available") as caught:
        train(PROBLEM, patterns="other")
    assert all(repr(choice) in str(caught.value) for choice in PATTERNS)
    with pytest.raises(ValueError, match="available") as caught:
        TrainingProblem(X, Y, 0.1, activation="other")
    assert all(repr(choice) in str(caught.value) for choice in ACTIVATIONS)


def test_gates_must_be_finite():
    with pytest.raises(ValueError, match="patterns contains NaN"):
        train(PROBLEM, patterns=[[1.0, np.nan, 0.0]])


def test_cutting_planes_do_not_price_gates():
    with pytest.raises(ValueError, match="patterns='cutting_plane'"):
        train(TrainingProblem(X, Y, 0.1, activation="gated_relu"))


@pytest.mark.parametrize("value", [np.float32(1e-3), np.float64(1e-3), 0])
def test_numbers_of_numpy_are_numbers(value):
    result = train(PROBLEM, tol=value, max_iter=np.int64(3), n_patterns=np.int32(5), random_state=0)
    assert result.n_iter <= 3


def test_numbers_of_patterns():
    few, many = (train(PROBLEM, patterns="sampled", n_patterns=n, random_state=0) for n in (3, 300))
    assert few.history[0].n_blocks <= 6 < many.history[0].n_blocks
    assert many.certificate.lower_bound < few.certificate.objective


def test_gates_decide_the_patterns():
    """With the gates of the optimum's neurons the programme has the same optimum."""
    best = train(PROBLEM, tol=1e-6, random_state=0)
    gates = best.network.augmented_weights()
    result = train(PROBLEM, patterns=gates, tol=1e-6)
    assert result.history[0].n_blocks <= 2 * len(gates)
    assert result.certificate.scope == "programme"
    assert result.certificate.objective == pytest.approx(best.certificate.objective, rel=2e-6)


@pytest.mark.parametrize("patterns", ["cutting_plane", "sampled"])
def test_progress_sees_every_round(patterns):
    seen = []
    result = train(PROBLEM, patterns=patterns, random_state=0, progress=seen.append)
    assert seen == result.history and len(seen) > 0


def test_weightless_samples_do_not_count():
    weight = np.append(np.ones(len(Y)), 0.0)
    inputs, targets = np.vstack([X, [[50.0, -50.0]]]), np.append(Y, 1e3)
    problem = TrainingProblem(inputs, targets, 0.01, sample_weight=weight)
    result, twin = train(problem, random_state=0), train(PROBLEM, random_state=0)
    assert_same_network(result.network, twin.network)
    assert_certifies(result.certificate, result.network, inputs, targets, 0.01, weight)


# Paths

ALPHAS = [0.2, 0.05, 0.01, 0.002]


@pytest.mark.parametrize("alphas", [ALPHAS, ALPHAS[::-1], np.array(ALPHAS)])
def test_a_path_is_its_separate_trainings(alphas):
    tol = 1e-5
    path = regularization_path(PROBLEM, alphas, tol=tol, random_state=0)
    assert len(path) == len(alphas)
    for alpha, result in zip(alphas, path, strict=True):
        alone = train(PROBLEM.with_alpha(float(alpha)), tol=tol, random_state=0)
        assert result.status is Status.CONVERGED and result.certificate.is_proof
        assert result.certificate.objective == pytest.approx(
            alone.certificate.objective, rel=2 * tol
        )
        assert_certifies(result.certificate, result.network, X, Y, alpha)


def test_a_path_is_started_from_the_one_before():
    first, second = regularization_path(PROBLEM, [0.01, 0.01], start=None, random_state=0)
    assert second.n_iter <= 2 < first.n_iter


def test_objectives_rise_with_the_penalty_and_fits_get_worse():
    path = regularization_path(PROBLEM, ALPHAS, tol=1e-6, random_state=0)
    objectives = [result.certificate.objective for result in path]
    penalties = [result.network.penalty() for result in path]
    assert objectives == sorted(objectives, reverse=True)
    assert penalties == sorted(penalties)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "absolute_value", "gated_relu"])
def test_paths_of_fixed_patterns(activation):
    problem = TrainingProblem(X, Y, 0.01, activation=activation)
    options = {"patterns": "sampled", "random_state": 0}
    path = regularization_path(problem, [0.1, 0.01], **options)
    for alpha, result in zip([0.1, 0.01], path, strict=True):
        alone = train(problem.with_alpha(alpha), **options)
        assert result.certificate.relative_gap <= 1e-3
        assert result.certificate.objective == pytest.approx(alone.certificate.objective, rel=1e-3)
        assert result.certificate.scope == "programme" and result.certificate.is_proof


def test_a_path_may_be_empty():
    assert regularization_path(PROBLEM, []) == []


def test_a_path_starts_where_it_is_told():
    best = train(PROBLEM, start=None, random_state=0)
    (result,) = regularization_path(PROBLEM, [0.01], start=best.network, random_state=0)
    assert result.n_iter <= 2 < best.n_iter


@pytest.mark.parametrize("alphas", [[0.1, -1.0], [np.nan], [0.0], "abc", None])
def test_bad_penalties_are_refused_by_name(alphas):
    with pytest.raises(ValueError, match="alpha"):
        regularization_path(PROBLEM, alphas)


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_a_path_on_fixed_patterns_is_canonicalised_once(monkeypatch, activation):
    built = []
    for programme in (ReLUProgramme, GatedProgramme):
        original = programme.__init__

        def counted(self, *args, original=original):
            built.append(self)
            original(self, *args)

        monkeypatch.setattr(programme, "__init__", counted)
    X, y = reference.teacher(30, 2, 2, 0.1, 0)
    alphas, gates = [0.1, 0.03, 0.01], np.random.default_rng(0).standard_normal((8, 3))
    problem = TrainingProblem(X, y, 1.0, activation=activation)
    options = {"patterns": gates, "tol": 1e-6}
    path = regularization_path(problem, alphas, solver="cvxpy:CLARABEL", **options)
    assert len(built) == 1
    for alpha, result in zip(alphas, path, strict=True):
        alone = train(problem.with_alpha(alpha), solver="cvxpy:CLARABEL", **options)
        assert result.certificate.objective == pytest.approx(alone.certificate.objective, rel=1e-6)
    assert len(built) == 1 + len(alphas)


def test_a_solver_that_is_no_master_is_refused():
    X, y = reference.teacher(10, 2, 2, 0.1, 0)
    with pytest.raises(ValueError, match="solver=3"):
        train(TrainingProblem(X, y, 0.1), solver=3)
