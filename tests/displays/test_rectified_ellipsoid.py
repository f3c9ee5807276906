"""The plot of the rectified ellipsoid, against a dense sample of the set."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from convexrelu.displays import RectifiedEllipsoidDisplay
from convexrelu.displays.rectified_ellipsoid import square_of

ACUTE = np.array([[2.0, 0.0], [0.6, 0.8]])
OBTUSE = np.array([[2.0, 0.0], [-0.6, 0.8]])
SOLID = np.array([[1.0, 0.0, 0.0, 0.0], [-0.5, 0.9, 0.0, 0.3], [0.3, 0.2, 0.9, -0.2]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def sample_of_set(X, n=200_000):
    """Points ``relu(Xu)``, ``‖u‖ = 1``, with ``u`` in the row space."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((n, len(X))) @ np.linalg.qr(X.T)[0].T
    return np.maximum(u / np.linalg.norm(u, axis=1)[:, None] @ X.T, 0.0)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("X", [ACUTE, OBTUSE, SOLID, np.hstack([OBTUSE, np.ones((2, 1))])])
def test_the_surface_is_the_boundary_of_the_ellipsoid(X):
    points = RectifiedEllipsoidDisplay.from_data(X).points.reshape(-1, len(X))
    shortest = points @ np.linalg.pinv(X).T
    np.testing.assert_allclose(np.linalg.norm(shortest, axis=1), 1.0)
    spread = np.abs(np.diff(points, axis=0)).max()
    assert spread < 0.2 and len(points) > 700
    for axis in np.vstack([np.eye(len(X)), -np.eye(len(X))]):
        reached = np.linalg.norm(axis @ X)
        assert 0.99 * reached <= (points @ axis).max() <= reached * (1 + 1e-12)


def test_what_is_filled_is_rectified():
    display = RectifiedEllipsoidDisplay.from_data(OBTUSE, facecolor="red")
    (patch,) = display.ax_.patches
    corners = patch.get_xy()[: len(display.points)]
    np.testing.assert_array_equal(corners, np.maximum(display.points, 0.0))
    assert patch.get_facecolor()[:3] == (1.0, 0.0, 0.0)
    ellipse = display.ax_.get_lines()[2]
    np.testing.assert_array_equal(np.column_stack(ellipse.get_data()), display.points)


@pytest.mark.parametrize(
    ("X", "tips"),
    [
        (ACUTE, []),
        (np.eye(2), []),
        (OBTUSE, [[2.0, 0.0], [0.0, 1.0]]),
        # The first two are at an obtuse angle, the third at acute ones with both.
        (np.array([[1.0, 0.0, 0.0], [-0.6, 0.8, 0.0], [0.6, 0.6, 0.6]]), [0, 1]),
    ],
)
def test_tips_of_spikes(X, tips):
    display = RectifiedEllipsoidDisplay.from_data(X)
    assert display.spike_free == (not tips)
    expected = "rectified ellipsoid, " + ("not " if tips else "") + "spike-free"
    assert display.ax_.get_title() == expected
    assert ("tip of a spike" in labels_of(display.ax_)) == bool(tips)
    if len(X) == 2:
        np.testing.assert_allclose(display.tips, np.reshape(tips, (-1, 2)), atol=1e-15)
        return
    points = sample_of_set(X)
    assert len(display.tips) == len(tips)
    for tip, i in zip(display.tips, tips, strict=True):
        farthest = points[points[:, i].argmax()]
        np.testing.assert_allclose(tip, farthest, atol=0.05)
        assert tip[i] == pytest.approx(np.linalg.norm(X[i]))
        # Not in the ellipsoid: the only vector with this image is too long.
        assert np.linalg.norm(np.linalg.solve(X, tip)) > 1.01


@pytest.mark.parametrize(
    ("X", "v"),
    [
        (ACUTE, [1.0, -0.3]),
        (ACUTE, [-2.0, -1.0]),
        (OBTUSE, [0.1, 1.0]),
        (SOLID, [1.0, 0.4, 0.9]),
        (SOLID, [-1.0, 0.2, -0.3]),
    ],
)
def test_the_plane_supports_the_set_where_it_says(X, v):
    display = RectifiedEllipsoidDisplay.from_data(X, v)
    normal, level, touched = display.supporting
    values = sample_of_set(X) @ v
    largest = values[np.abs(values).argmax()]
    assert np.sign(level) == np.sign(largest)
    assert abs(largest) <= abs(level) * (1 + 1e-12) and largest == pytest.approx(level, rel=1e-3)
    assert normal.tolist() == v and touched @ v == pytest.approx(level, rel=1e-12)
    assert (touched >= 0).all()
    # It is a point of the set: the samples that it sees have these outputs for some short u.
    seen = touched > 0
    assert np.linalg.norm(np.linalg.pinv(X[seen]) @ touched[seen]) <= 1 + 1e-9
    sign = "−" if level < 0 else ""
    assert any(text.startswith(f"vᵀz = {sign}M(v), M(v) = ") for text in labels_of(display.ax_))
    (ring,) = [c for c in display.ax_.collections if c.get_label() == "where it touches"]
    assert len(ring.get_offsets()) == 1


def test_the_line_is_the_supporting_one():
    display = RectifiedEllipsoidDisplay.from_data(ACUTE, [1.0, -0.3])
    line = display.ax_.get_lines()[-1]
    for point in (line.get_xy1(), line.get_xy2()):
        assert np.dot(point, [1.0, -0.3]) == pytest.approx(display.supporting.level)


def test_a_square_is_on_the_plane():
    normal = np.array([1.0, 2.0, -0.5])
    corners = square_of(normal, 0.5)
    assert np.abs(corners @ normal).max() < 1e-15
    assert np.linalg.norm(corners[0, 0] - corners[0, 1]) == pytest.approx(1.0)
    assert np.linalg.norm(corners[0, 0] - corners[1, 0]) == pytest.approx(1.0)


@pytest.mark.parametrize("X", [ACUTE, OBTUSE])
def test_the_polar_set(X):
    v = np.array([1.0, 0.4])
    display = RectifiedEllipsoidDisplay.from_data(X, v, polar=True)
    points = sample_of_set(X)
    for vector in display.polar[::10]:
        assert np.abs(points @ vector).max() == pytest.approx(1.0, rel=1e-4)
    _, panel = display.ax_
    (patch,) = panel.patches
    np.testing.assert_array_equal(patch.get_xy()[: len(display.polar)], display.polar)
    (ray,) = panel.get_lines()
    end = np.array([ray.get_xdata()[1], ray.get_ydata()[1]])
    np.testing.assert_allclose(end * abs(display.supporting.level), v)
    assert labels_of(panel) == ["{v : M(v) ≤ 1}", "v / M(v)"]
    assert display.figure_ is panel.figure


def test_three_samples_are_drawn_in_space():
    display = RectifiedEllipsoidDisplay.from_data(SOLID, [1.0, 0.4, 0.9])
    assert display.ax_.name == "3d" and display.ax_.get_zlabel() == "sample 3"
    assert labels_of(display.ax_)[:2] == ["ellipsoid {Xu}", "rectified: {relu(Xu)}"]


def test_axes_are_taken():
    figure, axes = plt.subplots(2)
    display = RectifiedEllipsoidDisplay.from_data(ACUTE, polar=True, ax=axes)
    assert list(display.ax_) == list(axes) and display.figure_ is figure
    one = RectifiedEllipsoidDisplay.from_data(ACUTE, ax=axes[0])
    assert one.ax_ is axes[0]
    assert plt.get_fignums() == [figure.number]


def test_what_cannot_be_drawn_is_refused():
    draw = RectifiedEllipsoidDisplay.from_data
    with pytest.raises(ValueError, match=r"X has shape \(4, 2\), expected \(2, d\) or \(3, d\)"):
        draw(np.ones((4, 2)))
    with pytest.raises(ValueError, match="X contains NaN"):
        draw([[1.0, np.inf], [0.0, 1.0]])
    with pytest.raises(ValueError, match="X has a row of zeros"):
        draw([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"v has shape \(3,\), expected \(2,\)"):
        draw(ACUTE, np.ones(3))
    with pytest.raises(ValueError, match=r"v=.* is not finite and nonzero"):
        draw(ACUTE, np.zeros(2))
    with pytest.raises(ValueError, match="polar=True takes two samples, X has 3"):
        draw(SOLID, polar=True)
    with pytest.raises(ValueError, match="polar=True takes samples of two directions"):
        draw([[1.0, 2.0], [2.0, 4.0]], polar=True)
