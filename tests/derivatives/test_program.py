import numpy as np
import pytest

from convexrelu.derivatives import DerivativeProblem, DerivativeRows
from convexrelu.derivatives.program import off_kinks


@pytest.mark.parametrize("side", [True, False])
@pytest.mark.parametrize("width", [1.0, 1e-8])
def test_neurons_are_moved_off_kinks_of_equations_only(width, side):
    """A sample beside the point makes the cell narrow; the middle of the cell would be far away."""
    rows = DerivativeRows([[0.0]], gradient=[1.0])
    problem = DerivativeProblem([[-width if side else width]], [0.0], 1.0, rows)
    direction = np.array([2.0, 0.0])
    moved = off_kinks(problem, np.array([not side, side]), direction)
    assert (moved[1] > 0) == side and moved[1] != 0
    np.testing.assert_allclose(moved, direction, atol=1e-8)


def test_ways_off_several_kinks_meet_all():
    """Random points, and a direction on as many kinks as there may be: repeated points as well."""
    rng = np.random.default_rng(0)
    points = np.vstack([np.zeros((1, 3)), rng.standard_normal((40, 3))])
    gate = rng.standard_normal(4)
    points[1:3] -= np.outer(points[1:3] @ gate[:3] + gate[3], gate[:3]) / (gate[:3] @ gate[:3])
    points[4] = points[1]
    problem = DerivativeProblem(points[:2], [0.0, 0.0], 1.0, DerivativeRows(points, np.ones(3)))
    for flips in range(4):
        near = np.array([1, 2, 4])
        mask = problem.gates @ gate > 0
        mask[2 + near] = [flips & 1, flips >> 1, flips & 1]
        moved = off_kinks(problem, mask, gate)
        assert ((problem.gates[2:] @ moved > 0) == mask[2:]).all()
        np.testing.assert_allclose(moved, gate, atol=1e-7)


def test_a_direction_that_is_clear_stays():
    problem = DerivativeProblem([[1.0]], [0.0], 1.0, DerivativeRows([[0.0]], [1.0]))
    direction = np.array([1.0, 0.5])
    assert off_kinks(problem, np.array([True, True]), direction) is direction
