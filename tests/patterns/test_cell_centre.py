"""Deepest points of cells, against second-order cone programs."""

import cvxpy as cp
import numpy as np
import pytest

from convexrelu.patterns.cell_centre import cell_centre, decides
from tests import reference


def depth(design, mask, u):
    rows = design / np.linalg.norm(design, axis=1, keepdims=True)
    return (np.where(mask, 1.0, -1.0) * (rows @ u)).min() / np.linalg.norm(u)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 2), (8, 3), (6, 6), (20, 2)])
def test_every_cell_has_its_deepest_point(n, d):
    design = (
        np.random.default_rng(n + d).standard_normal((n, d)) * np.geomspace(1e-3, 1e3, n)[:, None]
    )
    rows = design / np.linalg.norm(design, axis=1, keepdims=True)
    masks = reference.all_masks(design)
    for mask in masks[:: max(1, len(masks) // 20)]:
        u, t = cp.Variable(d), cp.Variable()
        sides = cp.multiply(np.where(mask, 1.0, -1.0), rows @ u)
        best = cp.Problem(cp.Maximize(t), [sides >= t, cp.norm(u) <= 1]).solve(cp.CLARABEL)
        centre = cell_centre(design, mask)
        assert np.linalg.norm(centre) == pytest.approx(1.0)
        assert depth(design, mask, centre) == pytest.approx(best, rel=1e-5, abs=1e-7)
        np.testing.assert_array_equal(design @ centre > 0, mask)


def test_empty_cells_have_none():
    design = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert cell_centre(design, np.array([True, True, True])) is None
    assert cell_centre(np.zeros((2, 2)), np.array([True, True])) is None


def test_zero_rows_decide_nothing():
    design = np.array([[0.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(cell_centre(design, np.array([True, True])), [1.0, 0.0])


def test_decides():
    design = np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 0.0]])
    gates = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 1 - 1e-16], [0.0, 0.0]])
    mask = np.array([True, True, True])
    np.testing.assert_array_equal(decides(design, mask, gates), [True, False, False, False])
    np.testing.assert_array_equal(decides(design, np.array([True, True, False]), gates), False)
