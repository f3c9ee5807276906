"""Proofs in rational arithmetic: never of what is false, not even by the last bit."""

import math
from fractions import Fraction

import numpy as np
import pytest

from convexrelu.oracles.bounds import rational
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.rational import fractions, shows_bound
from tests import reference


def instance(seed):
    """Tiny data of any kind, with a dual point."""
    rng = np.random.default_rng(seed)
    n, dim = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    design, v = rng.standard_normal((n, dim)), rng.standard_normal(n)
    kind = seed % 5
    if kind == 1:  # lattice: many kinks through one point, repeated rows
        design, v = np.round(design), np.round(3 * v)
    if kind == 2:
        design[n // 2 :] = -design[0]
    if kind == 3:  # rank-deficient, with a zero row
        design[:, -1] = design[:, 0]
        design[0] = 0.0
    if kind == 4:
        design, v = design * 10.0 ** rng.integers(-6, 7, size=(n, 1)), v * 10.0**200
    return design, v


def above(square, factor):
    """A fraction just above ``factor √square``, to some 40 digits."""
    return factor * Fraction(
        math.isqrt(square.numerator * 10**80 // square.denominator) + 1, 10**40
    )


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_brute_force(seed):
    design, v = instance(seed)
    square = reference.squared_max_rectified(design, v, reference.all_masks(design))
    shown = above(square, 1 + Fraction(1, 10**6))
    assert square < shown**2
    assert shows_bound(design, v, shown)
    for digits in (2, 9, 15, 30):
        missed = above(square, 1 - Fraction(1, 10**digits))
        assert not square or missed**2 < square
        assert not square or not shows_bound(design, v, missed)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "design", [np.eye(2), [[1, 0], [0, 1], [-1, 0], [0, -1]], [[0, 2], [2, 0], [0, 0]]]
)
def test_a_maximum_that_is_known(design, sign):
    design = np.array(design)
    size = int(np.abs(design).max())
    v = sign * np.array([3, 4, 0, 0][: len(design)])
    for margin in (1e-12, 1e-15, Fraction(1, 10**60)):
        assert not shows_bound(design, v, 5 * size - Fraction(margin))
    assert shows_bound(design, v, 5 * size + Fraction(1e-12))
    assert not shows_bound(design, v, math.nextafter(5.0 * size, 0.0))


def test_both_signs_count():
    design, v = np.array([[1.0], [-1.0]]), np.array([1.0, -2.0])
    for values in (v, -v):
        assert shows_bound(design, values, 2 + 1e-12)
        assert not shows_bound(design, values, 2 - 1e-15)


@pytest.mark.parametrize("design", [np.zeros((3, 2)), np.eye(2), np.ones((4, 1)), [[0.0, 1e-300]]])
def test_degenerate_sizes(design):
    design = np.array(design)
    zero = np.zeros(len(design))
    assert shows_bound(design, zero, 0.0)
    assert not shows_bound(design, zero, -1.0)
    assert shows_bound(design, zero + 1.0, 5) and shows_bound(design, zero + 1.0, 10**400)
    assert shows_bound(design, zero + 1.0, 0) is not design.any()
    assert shows_bound(design, zero + 1.0, Fraction(1, 10**400)) is not design.any()


def test_opposite_values_on_one_row_cancel():
    rng = np.random.default_rng(0)
    row, v = rng.standard_normal((1, 3)), rng.standard_normal(5)
    v[4] = -math.fsum(v[:4])
    tiny = abs(sum(fractions(v))) * 10 + Fraction(1, 10**30)
    assert shows_bound(np.repeat(row, 5, axis=0), v, tiny)


def test_gives_up():
    rng = np.random.default_rng(1)
    design, v = rng.standard_normal((12, 3)), rng.standard_normal(12)
    level = 1.1 * reference.max_rectified(design, v, reference.all_masks(design))
    assert shows_bound(design, v, level)
    assert not shows_bound(design, v, level, max_work=100)


def test_gives_up_at_the_deadline(clock):
    """However many boxes its work would pay for."""
    rng = np.random.default_rng(1)
    design, v = rng.standard_normal((12, 3)), rng.standard_normal(12)
    level = 1.0001 * reference.max_rectified(design, v, reference.all_masks(design))
    clock.charge(CornerBound, "examine", 0.1)
    deadline = clock.now + 0.35
    assert not shows_bound(design, v, level, deadline=deadline)
    assert deadline <= clock.now < deadline + 0.1


@pytest.mark.parametrize("seed", range(30))
def test_what_counts_as_proved_holds_on_the_box(seed):
    """Whatever slopes and ``û`` are proposed."""
    rng = np.random.default_rng(seed)
    design, v = instance(seed)
    rows, values, _ = rational._integers(fractions(design), fractions(v), Fraction(1))
    size = sum(np.abs(values) @ np.abs(rows))
    level = size * int(rng.integers(1, 60)) // 60
    if not level:
        return
    cover = rational._Cover(rows, values, level)
    boxes = Boxes.of_cube(rows.shape[1], math.inf)
    for _ in range(4 * (rows.shape[1] > 1)):
        across = (boxes.faces + rng.integers(1, rows.shape[1], len(boxes.faces))) % rows.shape[1]
        boxes = boxes.halved(across).select(rng.permutation(2 * len(across))[:50])
    slopes = rng.uniform(-0.02, 1.02, (len(boxes.faces), len(values)))
    units = boxes.centres * rng.uniform(0.3, 1.05, (len(boxes.faces), 1))
    boxed = [rational._scaled(part, 41) for part in (boxes.lower, boxes.upper)]
    proposed = [rational._scaled(part, 50) for part in (slopes, units)]
    proved = cover._below(*boxed, *proposed)
    for _ in range(10):
        u = boxed[0] + (boxed[1] - boxed[0]) * rng.integers(0, 3, boxed[1].shape) // 2
        h = np.maximum(u @ rows.T, 0) @ values
        below = [a <= 0 or a**2 <= level**2 * (w @ w) for a, w in zip(h, u, strict=True)]
        assert not (proved & ~np.array(below)).any()


def test_units_longer_than_one_prove_nothing():
    # h(u) = 3 relu(u) − relu(2u) at u = 1, where it meets the level.
    data = fractions(np.array([[1], [2]])), fractions([3, -1]), Fraction(1)
    cover = rational._Cover(*rational._integers(*data))
    one, half = 2**50, 2**49
    corner = np.array([[2**41]], dtype=object)
    for slope, unit, expected in [
        (one, one, True),
        (one, one + 1, False),
        (one + 1, one, False),
        (-1, one, False),
        (one, one - 1, False),
        (half, one, False),
    ]:
        given = np.array([[0, slope]], dtype=object), np.array([[unit]], dtype=object)
        assert cover._below(corner, corner, *given)[0] == expected


def test_boxes_with_too_many_corners_are_not_begun(monkeypatch):
    """Not even one: with 25 columns it has 33 million of them."""
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((22, 25)), rng.standard_normal(22)

    def examined(*_):
        raise AssertionError("a box was examined")

    monkeypatch.setattr("convexrelu.oracles.bounds.corner_bound.CornerBound.examine", examined)
    enough = float(np.linalg.norm(design.T @ np.maximum(v, 0)))
    assert not shows_bound(design, v, enough)
