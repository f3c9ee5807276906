"""Searches for problems: which samples and steps they take, and what they find."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.oracles.for_problem import brief_search_for, oracles_for, rough_search_for
from convexrelu.oracles.search import SearchOracle
from convexrelu.oracles.search.general import GeneralSearchOracle

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((400, 4))
KINDS = [
    ({}, SearchOracle),
    ({"activation": "leaky_relu"}, GeneralSearchOracle),
    ({"hidden_bias": "free"}, None),
]


def problem_of(n_outputs=1, **options):
    y = np.abs(X[:, :n_outputs]) - 0.3 * X[:, 1:2]
    return TrainingProblem(X, y[:, 0] if n_outputs == 1 else y, 0.01, **options)


@pytest.mark.parametrize("search_for", [brief_search_for, rough_search_for])
@pytest.mark.parametrize(("options", "kind"), KINDS)
def test_searches_without_polish_are_of_the_kind_of_the_problem(search_for, options, kind):
    problem = problem_of(**options)
    search = search_for(problem, random_state=0)
    if kind is not None:
        assert type(search) is kind and not search.polishes and search.most_climbed == 0
    report = search(problem.dual_point(problem.no_outputs()))
    assert report.bound > 0 and not report.is_proof


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_rough_searches_come_near_to_the_maximum(n_outputs):
    problem = problem_of(n_outputs)
    v = problem.dual_point(problem.no_outputs())
    best = oracles_for(problem, "search", 0).exact(v).bound
    report = rough_search_for(problem, random_state=0)(v)
    assert 0.97 * best <= report.bound <= best * (1 + 1e-9)
    assert report.n_starts == (512 if n_outputs == 1 else 256)
