"""Pictures of walks and barcodes: what is drawn is what was measured, and the bound is called what it is."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from convexrelu import Certificate
from convexrelu.landscape import (
    Barcode,
    BarcodeDisplay,
    LossGradientDisplay,
    LossLandscape,
    curvature,
    walk,
)

PROVED = Certificate(1.0, 0.999, "global", "sweep", True)
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], 2)
BARS = Barcode(np.array([1.0, 2.0, 3.0]), np.array([np.inf, 4.0, 3.5]), np.arange(3))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("certificate", "label"),
    [
        (PROVED, "certified global optimum"),
        (Certificate(1.0, 0.9, "global", "relaxation", True), "lower bound (proved)"),
        (Certificate(1.0, 0.999, "global", "search", False), "lower bound (estimated)"),
        (Certificate(1.0, 0.999, "program", "patterns", True), "lower bound (of one program)"),
    ],
)
def test_the_line_is_at_the_bound_and_claims_no_more_than_the_certificate(certificate, label):
    ax = BarcodeDisplay.from_barcode(BARS, certificate=certificate).ax_
    (line,) = [line for line in ax.lines if line.get_label() == label]
    assert list(line.get_xdata()) == [certificate.lower_bound] * 2
    cloud = LossGradientDisplay([1.0], [1.0], certificate=certificate).plot()
    assert label in labels(cloud.ax_)


def test_certificates_of_another_problem_are_refused():
    with pytest.raises(ValueError, match=r"proved bound 0\.999, but there is a loss of 0\.9"):
        LossGradientDisplay([0.9, 2.0], [1.0, 1.0], certificate=PROVED)
    with pytest.raises(ValueError, match="of another problem"):
        BarcodeDisplay(
            Barcode(np.array([0.5]), np.array([np.inf]), np.array([0])), certificate=PROVED
        )
    estimate = Certificate(1.0, 0.999, "global", "search", False)
    LossGradientDisplay([0.9, 2.0], [1.0, 1.0], certificate=estimate)  # which may be wrong


def test_clouds_have_all_points_in_the_colours_of_their_classes():
    walks = walk(XOR, n_walks=3, n_steps=30, keep_every=10, random_state=0)
    seen = curvature(XOR, walks.points)
    display = LossGradientDisplay.from_walks(walks, curvature=seen, log=False)
    drawn = np.vstack([points.get_offsets() for points in display.ax_.collections])
    assert sorted(drawn[:, 0]) == sorted(walks.losses[:, ::10].ravel())
    assert sorted(drawn[:, 1]) == sorted(walks.gradient_norms[:, ::10].ravel())
    shares = {name: share for name, share in seen.shares().items() if share}
    assert sorted(text.split(" (")[0] for text in labels(display.ax_)) == sorted(shares)
    with pytest.raises(ValueError, match=r"curvature has shape \(3, 2\), expected \(3, 4\)"):
        LossGradientDisplay.from_walks(walks, curvature=curvature(XOR, walks.points[:, :2]))


def test_bars_reach_from_minimum_to_pass():
    _, given = plt.subplots()
    display = BarcodeDisplay.from_barcode(BARS, ax=given, end=9.0)
    assert display.ax_ is given
    segments = given.collections[0].get_segments()
    assert [tuple(segment[:, 0]) for segment in segments] == [(1.0, 9.0), (2.0, 4.0), (3.0, 3.5)]
    assert labels(given) == ["minimum", "pass to a lower minimum"]


def test_the_endless_bar_of_one_minimum_has_a_length():
    bar = Barcode(np.array([2.0]), np.array([np.inf]), np.array([0]))
    (segment,) = BarcodeDisplay.from_barcode(bar, log=True).ax_.collections[0].get_segments()
    assert segment[1, 0] > segment[0, 0] == 2.0
