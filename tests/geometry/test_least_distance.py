import cvxpy as cp
import numpy as np
import pytest

from convexrelu.geometry.least_distance import least_distance, least_distance_with_equations


def shortest_by_cvxpy(rows, least, equations, equal):
    u = cp.Variable(rows.shape[1])
    constraints = [rows @ u >= least]
    if len(equations):
        constraints.append(equations @ u == equal)
    program = cp.Problem(cp.Minimize(cp.sum_squares(u)), constraints)
    program.solve("CLARABEL")
    return None if program.status == "infeasible" else u.value


@pytest.mark.parametrize("seed", range(12))
def test_shortest_vector(seed):
    rng = np.random.default_rng(seed)
    rows, least = rng.standard_normal((6, 3)), rng.standard_normal(6)
    expected = shortest_by_cvxpy(rows, least, np.zeros((0, 3)), np.zeros(0))
    found = least_distance(rows, least)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-6)
        assert (rows @ found >= least - 1e-9).all()


def test_both_outcomes_occur():
    outcomes = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rows, least = rng.standard_normal((6, 3)), rng.standard_normal(6)
        outcomes.add(least_distance(rows, least) is None)
    assert outcomes == {True, False}


@pytest.mark.parametrize("seed", range(8))
def test_shortest_vector_with_equations(seed):
    rng = np.random.default_rng(seed)
    equations, equal = rng.standard_normal((2, 5)), rng.standard_normal(2)
    rows, least = rng.standard_normal((5, 5)), rng.standard_normal(5)
    expected = shortest_by_cvxpy(rows, least, equations, equal)
    found = least_distance_with_equations(equations, equal, rows, least)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-6)
        assert equations @ found == pytest.approx(equal, abs=1e-9)


def test_nothing_is_asked():
    assert least_distance(np.zeros((0, 2)), np.zeros(0)) == pytest.approx([0, 0], abs=0)
    assert least_distance(np.zeros((1, 2)), np.array([0.0])) == pytest.approx([0, 0], abs=0)


def test_contradictions():
    assert least_distance(np.zeros((1, 2)), np.array([1.0])) is None
    one = np.array([[1.0, 0.0]])
    none = np.zeros((0, 2)), np.zeros(0)
    assert least_distance_with_equations(np.vstack([one, one]), np.array([1.0, 2.0]), *none) is None
    assert least_distance_with_equations(one, np.array([1.0]), -one, np.array([0.0])) is None


def test_dependent_equations_and_touching_inequalities():
    equations, equal = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 2.0])
    rows, least = np.array([[-3.0, 0.0], [0.1, 0.0]]), np.array([-3.0, 0.1])
    found = least_distance_with_equations(equations, equal, rows, least)
    assert found == pytest.approx([1.0, 0.0], abs=1e-12)


def test_more_equations_than_entries():
    rng = np.random.default_rng(0)
    equations, u = rng.standard_normal((3000, 4)), rng.standard_normal(4)
    rows = rng.standard_normal((5, 4))
    found = least_distance_with_equations(equations, equations @ u, rows, rows @ u - 1.0)
    assert found == pytest.approx(u)
    assert least_distance_with_equations(equations, equations @ u, rows, rows @ u + 1.0) is None
    equal = equations @ u + rng.standard_normal(3000)
    assert least_distance_with_equations(equations, equal, rows, rows @ u - 1.0) is None
