"""The detector says yes to structure up to rounding, and no to near misses."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from convexrelu import TrainingProblem, train
from convexrelu.closed_forms import STRUCTURES, structure_of
from tests.closed_forms.test_spike_free import spike_free_rows
from tests.closed_forms.test_whitened import orthogonal_rows

RNG = np.random.default_rng(0)
T = RNG.standard_normal(7)
CASES = {
    "one_feature": (T[:, None], "free"),
    "rank_one": (np.outer(T, [1.0, -2.0, 3.0]) + np.array([10.0, 20.0, 30.0]), "free"),
    "whitened": (orthogonal_rows(5, 8, 0, whitened=False), False),
    "spike_free": (spike_free_rows(5, 6, 0), False),
    "general": (RNG.standard_normal((7, 3)), True),
}


@pytest.mark.parametrize("kind", STRUCTURES)
def test_each_structure(kind):
    X, hidden_bias = CASES[kind]
    assert structure_of(X, hidden_bias=hidden_bias) == kind


@pytest.mark.parametrize("kind", ["rank_one", "whitened"])
@pytest.mark.parametrize("noise", [1e-8, 1e-5, 1e-2])
def test_near_misses(kind, noise):
    X, hidden_bias = CASES[kind]
    noisy = X + noise * np.random.default_rng(1).standard_normal(X.shape)
    found = structure_of(noisy, hidden_bias=hidden_bias)
    assert found != kind


def test_a_negative_cosine_is_not_spike_free():
    for size in (1e-8, 1e-5, 1e-2):
        X = np.array([[1.0, 0.0, 0.0], [-size, 1.0, 0.0], [0.0, 0.0, 1.0]])
        assert structure_of(X, hidden_bias=False) == "general"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rank_one", "whitened", "spike_free"])
def test_near_misses_are_trained_by_the_general_solver(kind):
    X, hidden_bias = CASES[kind]
    noise = np.random.default_rng(2).standard_normal(X.shape)
    noisy = X - 0.3 * np.abs(noise) if kind == "spike_free" else X + 1e-6 * noise
    options = {"hidden_bias": hidden_bias, "fit_intercept": hidden_bias == "free"}
    targets = np.random.default_rng(3).standard_normal(len(X))
    problem = TrainingProblem(noisy, targets, 0.05, **options)
    result = train(problem, max_iter=3, random_state=0)
    assert result.certificate.method not in ("whitened", "spike_free")
    assert len(result.history) > 1


def test_lists_and_sparse_arrays():
    assert structure_of([[1.0, 0.0], [0.0, 2.0]], hidden_bias=False) == "whitened"
    assert structure_of(csr_array(np.eye(3)), hidden_bias=False) == "whitened"


def test_bad_inputs_are_refused_by_name():
    with pytest.raises(ValueError, match="X has shape"):
        structure_of([1.0, 2.0])
    with pytest.raises(ValueError, match="hidden_bias='never'"):
        structure_of([[1.0]], hidden_bias="never")
