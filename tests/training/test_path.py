"""Paths of penalties."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, regularization_path, train
from convexrelu.programs import GatedProgram, ReLUProgram
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(20, 2, 2, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.01)

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
        assert result.certificate.scope == "program" and result.certificate.is_proof


def test_a_path_may_be_empty():
    assert regularization_path(PROBLEM, []) == []


def test_a_path_starts_where_it_is_told():
    best = train(PROBLEM, start=None, random_state=0)
    (result,) = regularization_path(PROBLEM, [0.01], start=best.network, random_state=0)
    assert result.n_iter <= 2 < best.n_iter


@pytest.mark.parametrize("alphas", [[0.1, -1.0], [np.nan], [0.0], "abc", None])
def test_bad_penalties_are_refused_by_name_before_any_training(alphas):
    seen = []
    with pytest.raises(ValueError, match=r"^alphas"):
        regularization_path(PROBLEM, alphas, progress=seen.append)
    assert not seen


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_a_path_on_fixed_patterns_is_canonicalised_once(monkeypatch, activation):
    built = []
    for program in (ReLUProgram, GatedProgram):
        original = program.__init__

        def counted(self, *args, original=original):
            built.append(self)
            original(self, *args)

        monkeypatch.setattr(program, "__init__", counted)
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
