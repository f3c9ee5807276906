"""Close neurons become one while the objective allows it, and estimators do so by default."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, TrainingProblem, TwoLayerNetwork
from convexrelu.optimal_set import compact, minimal

X = np.linspace(-1, 1, 60)[:, None]
PROBLEM = TrainingProblem(X, np.maximum(X[:, 0], 0.0), alpha=0.1)


def spread(distance, count=5):
    """A ramp as several of nearly the same kink."""
    kinks = distance * np.arange(count) / count
    return TwoLayerNetwork(np.ones((count, 1)), -kinks, np.full((1, count), 0.8 / count), [0.0])


def test_what_is_spread_is_joined():
    wide = spread(0.1)
    small = compact(wide, PROBLEM, 1.01 * PROBLEM.objective(wide))
    assert small.width == 1 < minimal(wide, PROBLEM).width
    assert PROBLEM.objective(small) <= 1.01 * PROBLEM.objective(wide)


@pytest.mark.parametrize("rise", [0.0, 1e-9, 1e-6, 1e-3])
def test_the_objective_stays_below_its_limit(rise):
    rng = np.random.default_rng(0)
    for distance in 10.0 ** rng.uniform(-6, 0, 5):
        wide = spread(distance)
        highest = (1 + rise) * PROBLEM.objective(wide)
        small = compact(wide, PROBLEM, highest)
        assert small.width <= minimal(wide, PROBLEM).width
        # That of `minimal` may be above by 1e-10 of it.
        assert PROBLEM.objective(small) <= highest * (1 + 1e-10)


def test_no_time_leaves_the_network():
    assert compact(spread(0.1), PROBLEM, np.inf, deadline=0.0).width == 5


@pytest.fixture(scope="module")
def classifiers():
    """With and without; the unpruned network of two features of iris has many neurons that differ little."""
    inputs, labels = load_iris(return_X_y=True)
    found = {}
    for kind in ("auto", False):
        model = ConvexReLUClassifier(alpha=0.03, minimal=kind, tol=1e-2, random_state=0)
        found[kind] = model.fit(inputs[::3, 2:], labels[::3])
    return found


def test_estimators_keep_few_neurons_of_the_same_certificate(classifiers):
    small, wide = classifiers["auto"], classifiers[False]
    assert small.network_.width < wide.network_.width / 2
    assert small.certificate_.lower_bound == wide.certificate_.lower_bound
    gap = wide.certificate_.relative_gap
    assert small.certificate_.relative_gap == pytest.approx(gap, rel=0.02)
    assert small.certificate_.relative_gap <= small.tol and small.status_ is wide.status_
    assert small.history_[-1].width == small.network_.width


def test_networks_of_a_program_stay_in_it():
    """Merged neurons may have other patterns, and be better than the program allows: its bound is not theirs."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((20, 2)), rng.standard_normal(20)
    found = []
    for kind in ("auto", False):
        model = ConvexReLURegressor(0.01, patterns="sampled", minimal=kind, random_state=0)
        found.append(model.fit(inputs, targets).certificate_)
    assert found[0] == found[1] and found[0].scope == "program"
    assert found[0].lower_bound <= found[0].objective
