"""Decay of the loss, density of vertices, and their picture."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.landscape import (
    VertexDescent,
    VertexDescentDisplay,
    loss_decay,
    vertex_density,
)


def run_of(losses, is_local_minimum=True):
    network = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
    return VertexDescent(network, np.array(losses), 0, is_local_minimum, "", 2, 2, 0)


@pytest.mark.parametrize("limit", [0.0, 0.3, 5.0])
def test_the_limit_of_an_exact_decay_from_its_first_half(limit):
    losses = limit + 2 * np.exp(-0.05 * np.arange(60))
    decay = loss_decay(losses[:30])
    assert abs(decay.limit - limit) < 1e-4 and abs(decay.rate - 0.05) < 1e-4
    assert decay.correlation < -1 + 1e-9


def test_the_limit_is_between_zero_and_the_last_loss():
    for losses in ([4, 3, 2, 1.0], [8, 4, 2, 1.9, 1.8, 1.79], [3, 3, 3, 2.0]):
        assert 0 <= loss_decay(losses).limit < losses[-1]


def test_density_counts_every_vertex():
    losses = np.exp(-0.1 * np.arange(100))
    density = vertex_density(losses, 7)
    assert density.counts.sum() == 100 and (np.diff(density.levels) < 0).all()
    np.testing.assert_allclose(density.density * -np.diff(density.levels), density.counts)
    assert density.counts[-1] > density.counts[0]  # vertices are dense near the minimum


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([3.0, 2.0], "expected at least 4"),
        ([1.0, 1.0, 1.0, 1.0], "not the first"),
        ([2, 1, 0.5, 0.0], "positive"),
    ],
)
def test_decay_refuses(losses, message):
    with pytest.raises(ValueError, match=message):
        loss_decay(losses)


def test_density_refuses_a_level_run():
    with pytest.raises(ValueError, match="losses are all 1"):
        vertex_density([1.0, 1.0])


def test_display():
    runs = [run_of([4, 2, 1]), run_of([3, 2], is_local_minimum=False)]
    display = VertexDescentDisplay.from_runs(runs, level=0.5, level_name="the proved bound")
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["ends in a tested local minimum (1)", "ends without a certificate (1)"]
    assert "the proved bound" in display.ax_.get_ylabel()
    np.testing.assert_allclose(display.ax_.lines[0].get_ydata(), [3.5, 1.5, 0.5])
    for wrong in ([], [1]):
        with pytest.raises(ValueError, match="VertexDescent"):
            VertexDescentDisplay.from_runs(wrong)
    with pytest.raises(ValueError, match="below all losses"):
        VertexDescentDisplay.from_runs(runs, level=1.0)
