"""Bounds of linear programs hold at all of their points, whatever the multipliers."""

import numpy as np
import pytest

from convexrelu.reach.safe_program import Bounds, LinearProgram, safe_bound


def problem(seed):
    rng = np.random.default_rng(seed)
    G, c = rng.standard_normal((6, 4)), rng.standard_normal(4)
    row_upper = np.where(rng.random(6) < 0.3, np.inf, rng.random(6))
    row_lower = np.where(rng.random(6) < 0.6, -np.inf, -rng.random(6))
    return G, c, Bounds(row_lower, row_upper, -rng.random(4), rng.random(4)), rng


@pytest.mark.parametrize("seed", range(4))
def test_any_multipliers_give_a_bound(seed):
    G, c, bounds, rng = problem(seed)
    points = rng.uniform(bounds.lower, bounds.upper, (20_000, 4))
    rows = points @ G.T
    inside = ((rows >= bounds.row_lower) & (rows <= bounds.row_upper)).all(axis=1)
    most = (points[inside] @ c).max()
    for _ in range(50):
        assert most <= safe_bound(c, G, bounds, rng.standard_normal(6) * rng.choice([0.1, 1, 10]))
    answer = LinearProgram(G).maximise(c, bounds)
    assert most <= answer.bound <= c @ answer.point + 1e-9


def test_constraints_that_touch_are_not_called_empty():
    program = LinearProgram(np.array([[1.0, 1.0], [1.0, 1.0]]))
    box = np.zeros(2), np.ones(2)
    # x + y is between 0.3 + 1e-17 and 0.3: at most rounding away from a point.
    touching = Bounds(np.array([-np.inf, 0.1 + 0.2]), np.array([0.3, np.inf]), *box)
    answer = program.maximise(np.array([1.0, 0.0]), touching)
    assert answer.point is not None and answer.bound == pytest.approx(0.3)
    apart = touching._replace(row_lower=np.array([-np.inf, 0.3 + 1e-6]))
    assert program.maximise(np.array([1.0, 0.0]), apart).bound == -np.inf
