"""Bars are those of the elder rule."""

import sys

import numpy as np
import pytest

from convexrelu.landscape import LossLandscape, barcode, minimax_heights, path_heights


def elder_rule(heights):
    """Each minimum ends at the lowest chain of paths that leads to a lower one."""
    losses, lowest = np.diag(heights), minimax_heights(heights)
    deaths = [min([*lowest[i, losses < losses[i]], np.inf]) for i in range(len(losses))]
    order = np.argsort(losses)
    return losses[order], np.array(deaths)[order], order


@pytest.mark.parametrize("seed", range(3))
def test_bars_are_those_of_the_elder_rule(seed):
    rng = np.random.RandomState(seed)
    k = 8
    losses = rng.uniform(0, 1, size=k)
    heights = np.maximum(losses[:, None], losses) + rng.exponential(size=(k, k))
    heights = np.maximum(heights, heights.T)
    heights[rng.uniform(size=(k, k)) < 0.3] = np.inf
    heights = np.maximum(heights, heights.T)
    np.fill_diagonal(heights, losses)
    births, deaths, minima = elder_rule(heights)
    bars = barcode(heights)
    np.testing.assert_array_equal(bars.births, births)
    np.testing.assert_array_equal(bars.minima, minima)
    np.testing.assert_array_equal(bars.deaths, deaths)


def test_equal_minima_and_bars_of_length_zero():
    bars = barcode([[1.0, 1.0, 3.0], [1.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
    assert bars.births.tolist() == [1.0, 1.0, 1.0]
    assert sorted(bars.deaths) == [1.0, 2.0, np.inf]
    assert sorted(bars.minima) == [0, 1, 2]
    assert np.sort(bars.lengths)[0] == 0.0


def test_minima_without_paths_never_end():
    bars = barcode([[2.0, np.inf], [np.inf, 1.0]])
    assert bars.births.tolist() == [1.0, 2.0]
    assert bars.minima.tolist() == [1, 0]
    assert bars.deaths.tolist() == [np.inf, np.inf]
    assert barcode([[3.0]]).births.tolist() == [3.0]


def test_bars_of_a_landscape():
    """Mirror images of a unit: two global minima, and the zero function between them."""
    X = np.array([[-1.0], [0.5], [1.0]])
    targets = 2 * np.tanh(1.5 * X[:, 0])
    landscape = LossLandscape(
        X, targets, 1, activation="tanh", hidden_bias=False, fit_intercept=False
    )
    bars = barcode(path_heights(landscape, [[1.5, 2.0], [-1.5, -2.0]], align=False))
    assert bars.deaths[0] == np.inf
    assert bars.deaths[1] == pytest.approx(0.5 * np.mean(targets**2), rel=1e-3)


@pytest.mark.parametrize(
    ("heights", "message"),
    [
        ([[1.0, 2.0]], r"shape \(1, 2\), expected \(k, k\)"),
        ([[1.0, 2.0], [3.0, 1.0]], "not symmetric"),
        ([[1.0, 0.5], [0.5, 0.0]], "below one of its ends"),
        ([[np.inf]], "diagonal of heights contains NaN or infinity"),
        (np.empty((0, 0)), r"shape \(0, 0\)"),
    ],
)
def test_errors_name_the_argument(heights, message):
    with pytest.raises(ValueError, match=message):
        barcode(heights)


def test_without_gudhi_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(ImportError, match=r"convexrelu\[landscape\]"):
        barcode([[1.0]])
