"""The referee of the training suite: its loss, its bound, and its performance profiles."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train

SUITE = Path(__file__).parents[2] / "benchmarks" / "training"
NAMES = ("benchmark_utils", "report")
ALPHA = 0.02
RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 2))
TARGETS = {
    "squared_error": np.maximum(X @ [1.0, -1.0], 0) + 0.1 * RNG.standard_normal(40),
    "multinomial": (X @ RNG.standard_normal((2, 3))).argmax(axis=1).astype(float),
}


@pytest.fixture
def suite(monkeypatch):
    """Modules of the suite, which is a folder of scripts; other suites use the same names."""
    monkeypatch.syspath_prepend(str(SUITE))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in NAMES]:
        del sys.modules[name]


def as_judged(network):
    from benchmark_utils.network import Network

    parts = network.hidden_weights, network.hidden_bias, network.output_weights
    return Network(*parts, network.output_bias)


@pytest.mark.parametrize("loss", TARGETS)
def test_the_loss_is_that_of_the_library_at_the_balanced_penalty(suite, loss):
    from benchmark_utils.network import objective

    n_outputs = 1 if loss == "squared_error" else 3
    shapes = (7, 2), (7,), (n_outputs, 7), (n_outputs,)
    network = TwoLayerNetwork(*(RNG.standard_normal(shape) for shape in shapes))
    problem = TrainingProblem(X, TARGETS[loss], ALPHA, loss=loss)
    expected = problem.objective(network.balance())
    assert objective(as_judged(network), X, TARGETS[loss], ALPHA, loss) == pytest.approx(expected)


@pytest.mark.parametrize("loss", TARGETS)
def test_the_bound_is_near_the_optimum_at_an_optimum_and_below_it_elsewhere(suite, loss):
    from benchmark_utils.network import Network, searched_bound

    y = TARGETS[loss]
    result = train(TrainingProblem(X, y, ALPHA, loss=loss), tol=1e-4, random_state=0)
    optimum = result.certificate.objective
    bound = searched_bound(as_judged(result.network), X, y, ALPHA, loss)
    assert optimum * (1 - 0.02) < bound <= optimum * (1 + 1e-9)
    nothing = Network.constant(2, [0.0] * result.network.n_outputs)
    assert searched_bound(nothing, X, y, ALPHA, loss) <= optimum


def test_a_diverged_network_is_infinitely_bad(suite):
    from benchmark_utils.network import Network, objective

    network = Network(np.full((1, 2), np.nan), np.zeros(1), np.ones((1, 1)), np.zeros(1))
    assert objective(network, X, TARGETS["squared_error"], ALPHA, "squared_error") == np.inf


def test_profiles_count_what_is_not_solved(suite):
    from report import profile

    seconds = pd.DataFrame(
        {"a": [1.0, 2.0, np.inf, np.inf], "b": [2.0, 1.0, 3.0, np.inf]}, index=range(4)
    )
    shares = profile(seconds, [1.0, 2.0])
    assert shares["a"] == pytest.approx([1 / 4, 2 / 4])
    assert shares["b"] == pytest.approx([2 / 4, 3 / 4])


def test_times_are_those_of_the_first_row_within_the_target(suite):
    from report import summary_of_runs

    rows = [("x", 0.1, "a", "", s, v) for s, v in enumerate([2.0, 1.008, 1.0005, 1.0])]
    rows += [("x", 0.1, "b", "", s, v) for s, v in enumerate([2.0, 1.5])]
    curves = pd.DataFrame(
        rows, columns=["data", "alpha", "solver", "parameters", "seconds", "lowest"]
    )
    curves = curves.assign(
        lower_bound=np.nan, is_proof=False, searched_bound=np.nan, setup_seconds=0
    )
    runs = summary_of_runs(curves).set_index("solver")
    assert runs[1e-2].to_dict() == {"a": 1, "b": np.inf}
    assert runs[1e-3].to_dict() == {"a": 2, "b": np.inf}


def test_new_runs_take_the_place_of_the_same_solver_on_the_same_pair(suite):
    from benchmark_utils.merge import replaced

    columns = ["data", "alpha", "solver", "objective"]
    before = [("x", 0.1, "a", 1.0), ("x", 0.1, "a", 0.9), ("x", 0.1, "b", 2.0), ("y", 0.1, "a", 3)]
    now = [("x", 0.1, "a", 0.5), ("x", 0.1, "c", 4.0)]
    table = replaced(*(pd.DataFrame(rows, columns=columns) for rows in (before, now)))
    assert list(table.itertuples(index=False, name=None)) == before[2:] + now


def test_new_runs_of_one_seed_leave_those_of_others(suite):
    from benchmark_utils.merge import replaced

    columns = ["data", "alpha", "parameters", "gap"]
    before = [("x", 0.1, "seed=0", 0.02), ("x", 0.1, "seed=1", 0.03), ("x", 0.2, "seed=0", 0.04)]
    now = [("x", 0.1, "seed=0", 0.01)]
    tables = (pd.DataFrame(rows, columns=columns) for rows in (before, now))
    table = replaced(*tables, keys=columns[:3])
    assert list(table.itertuples(index=False, name=None)) == before[1:] + now
