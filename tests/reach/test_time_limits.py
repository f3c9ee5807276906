"""What no time is left for: bounds are weaker and still hold, and points are in the polytope."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convexrelu import TwoLayerNetwork
from convexrelu.output_constraints import output_bounds
from convexrelu.reach import (
    Polytope,
    adversarial_radius,
    feature_bands,
    feature_effect,
    is_safe,
    lipschitz_constant,
    output_range,
)
from convexrelu.reach.cells import CellTree
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.safe_program import Bounds, LinearProgram

PAST = -math.inf
D = 4
BOX = -np.ones(D), np.ones(D)
A, B = np.vstack([np.ones((1, D)), [1.0, -2.0, 0.5, 0.0]]), np.array([0.5, 1.0])


@pytest.fixture(autouse=True)
def _every_computation_counts(monkeypatch):
    """Also the small ones of these examples."""
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)


def drawn(width):
    rng = np.random.default_rng(0)
    return TwoLayerNetwork(
        *(rng.standard_normal(shape) for shape in ((width, D), width, (2, width))), [0.1, -0.3]
    )


@pytest.fixture(scope="module")
def network():
    return drawn(25)


def inputs(n=3000):
    """Inputs of the polytope, its corner among them as far as it is drawn."""
    X = np.random.default_rng(1).uniform(-1, 1, (n, D))
    return X[(X @ A.T <= B).all(axis=1)]


def test_a_program_that_is_stopped_has_a_bound():
    rng = np.random.default_rng(0)
    G, c = rng.standard_normal((40, 30)), rng.standard_normal(30)
    bounds = Bounds(np.full(40, -np.inf), np.ones(40), np.zeros(30), np.ones(30))
    program = LinearProgram(G)
    stopped = program.maximise(c, bounds, deadline=PAST)
    full = program.maximise(c, bounds)  # goes on to the end
    assert full.point is not None
    assert full.bound == pytest.approx(LinearProgram(G).maximise(c, bounds).bound, rel=1e-9)
    assert c @ full.point - 1e-8 <= full.bound <= stopped.bound + 1e-8
    assert stopped.bound < math.inf


def test_a_box_without_time_is_the_one_that_was_given():
    polytope = Polytope(np.ones((1, D)), [-2.5], lower=BOX[0], upper=BOX[1])
    for given, found in zip(BOX, polytope.box(PAST), strict=True):
        assert_array_equal(given, found)
    low, high = polytope.box()  # is not kept from before
    assert low == pytest.approx(-1.0) and high == pytest.approx(0.5, abs=1e-6)
    assert (high >= 0.5).all()


def test_sides_that_nobody_gave_are_found_without_time():
    cone = Polytope(-np.eye(2), np.zeros(2), upper=[1.0, 2.0])
    low, high = cone.box(PAST)
    assert_array_equal(high, [1.0, 2.0])
    assert low == pytest.approx(0.0, abs=1e-6) and (low <= 0).all()
    with pytest.raises(ValueError, match="is unbounded"):
        Polytope(A, B).box(PAST)


def test_rows_of_bounds_and_of_constraints_are_judged_alike():
    polytope = Polytope(A, B, lower=[-1.0, -math.inf, -1.0, -0.5], upper=0.5)
    rows, right = polytope.rows
    X = np.random.default_rng(0).uniform(-1.2, 1.2, (500, D))
    for tol in (0.0, 0.1):
        expected = (X @ rows.T - right <= tol * np.linalg.norm(rows, axis=1)).all(axis=1)
        assert_array_equal(polytope.contains(X, tol), expected)


@pytest.mark.parametrize("limit", [0.0, 1e-3, 0.02])
@pytest.mark.parametrize("constrained", [False, True])
def test_ranges(network, limit, constrained):
    rows = {"A": A, "b": B} if constrained else {}
    answer = output_range(network, *BOX, **rows, time_limit=limit)
    outputs = network.forward(inputs())
    assert (answer.lower <= outputs.min(axis=0)).all()
    assert (answer.upper >= outputs.max(axis=0)).all()
    for points, values in ((answer.argmin, answer.least), (answer.argmax, answer.greatest)):
        assert Polytope(**rows, lower=BOX[0], upper=BOX[1]).contains(points).all()
        assert np.diag(network.forward(points)) == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("limit", [0.0, 1e-3])
def test_what_one_feature_does(network, limit):
    X = inputs(200)
    effect = feature_effect(network, 1, *BOX, time_limit=limit)
    bands = feature_bands(network, 1, *BOX, n_slabs=3, time_limit=limit)
    outputs = network.forward(X)
    for t in np.linspace(-1, 1, 7):
        moved = np.insert(np.delete(X, 1, axis=1), 1, t, axis=1)
        assert (np.abs(network.forward(moved) - outputs) <= effect.bound).all()
    slabs = np.searchsorted(bands.edges[1:-1], X[:, 1])
    assert (bands.lower[slabs] <= outputs).all() and (outputs <= bands.upper[slabs]).all()
    assert (bands.lower <= bands.least).all() and (bands.greatest <= bands.upper).all()


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_radii_and_slopes(norm):
    network = drawn(8)  # the radius in norm 2 takes twenty times as long with twelve
    radius = adversarial_radius(network, np.zeros(D), norm=norm, time_limit=0.0)
    assert 0 <= radius.lower <= radius.upper
    sharp = adversarial_radius(network, np.zeros(D), norm=norm)
    assert radius.lower <= sharp.upper and sharp.lower <= radius.upper
    for box in ({}, {"lower": BOX[0], "upper": BOX[1]}, {"A": A, "b": B, "lower": -1, "upper": 1}):
        short = lipschitz_constant(network, norm, time_limit=0.0, **box)
        full = lipschitz_constant(network, norm, **box)
        assert 0 < short.lower <= full.upper * (1 + 1e-12)
        assert short.upper >= full.lower * (1 - 1e-12)


def test_verdicts(network):
    never = is_safe(network, BOX, ([[-1.0, 0.0]], [-1e3]), time_limit=0.0)
    assert never.verdict in ("safe", "undecided") and never.margin <= never.bound
    always = is_safe(network, BOX, ([[-1.0, 0.0]], [1e3]), time_limit=0.0)
    assert always.verdict == "unsafe"
    domain = Polytope(lower=BOX[0], upper=BOX[1])
    found = output_bounds(network, np.eye(2), domain=domain, time_limit=0.0)
    assert (network.forward(inputs()).max(axis=0) <= found.bound).all()
    assert np.diag(network.forward(found.argmax)) == pytest.approx(found.value)


def test_cells_without_time_are_thin(network):
    polytope = Polytope(A, B, lower=BOX[0], upper=BOX[1])
    tree = CellTree(as_rectifiers(network), polytope, PAST)
    root = tree.root()
    x = tree.inputs(root.point)
    assert polytope.contains(x[None]).all()
    unit = int(tree.undecided(root)[0])
    children = list(tree.children(root, unit))
    assert len(children) == 2 and sum(child.point is None for child in children) == 1


@pytest.mark.parametrize("rows", [{}, {"A": [[1.0, 1.0]], "b": [-1.5]}], ids=["box", "corner"])
def test_the_middle_is_well_inside(rows):
    polytope = Polytope(**rows, lower=[-1.0, -2.0], upper=[1.0, 0.0])
    assert polytope.contains([polytope.middle], -0.2).all()


# Flat polytopes, whose box has its middle outside


def flat():
    """``x1 = 0.3`` and ``x2 ≤ −0.5`` in a box: the middle of the box, at 0, is not inside."""
    return Polytope([[0.0, 1.0]], [-0.5], lower=[0.3, -1.0], upper=[0.3, 1.0])


@pytest.mark.parametrize("time_limit", [0.0, None])
def test_what_is_reached_in_a_flat_polytope_is_inside(time_limit):
    network = TwoLayerNetwork([[0.0, 1.0]], [0.25], [[1.0]], [0.0])  # zero on all of it
    polytope = flat()
    span = output_range(
        network, polytope.lower, polytope.upper, A=polytope.A, b=polytope.b, time_limit=time_limit
    )
    assert polytope.contains(np.vstack([span.argmin, span.argmax]), 1e-9).all()
    assert span.lower[0] <= span.least[0] <= 1e-9 and span.upper[0] >= -1e-9
    assert span.least[0] == pytest.approx(0.0, abs=1e-9)
    assert span.greatest[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("time_limit", [0.0, None])
def test_a_flat_polytope_is_not_unsafe_outside(time_limit):
    network = TwoLayerNetwork([[0.0, 1.0]], [0.25], [[1.0]], [0.0])
    answer = is_safe(network, flat(), ([[-1.0]], [-0.2]), time_limit=time_limit)  # y ≥ 0.2
    assert answer.verdict != "unsafe"


def test_a_program_that_is_never_written_leaves_bounds_of_intervals(monkeypatch):
    """Zero is not in the box, and violates the cuts that a solution could violate."""
    rng = np.random.default_rng(0)
    wide = TwoLayerNetwork(
        rng.standard_normal((30, 5)), rng.standard_normal(30), rng.standard_normal((1, 30)), [0.0]
    )
    low, high = np.ones(5), 2 * np.ones(5)
    outputs = wide.predict(rng.uniform(1, 2, (2000, 5)))
    monkeypatch.setattr("convexrelu.reach.network_program.writing_fits", lambda *_: False)
    span = output_range(wide, low, high, time_limit=60.0)
    assert span.lower[0] <= outputs.min() and outputs.max() <= span.upper[0]
    assert span.lower[0] <= span.least[0] <= span.greatest[0] <= span.upper[0]
    assert not span.is_exact


@pytest.mark.parametrize("time_limit", [0.0, 1e-3, None])
def test_a_huge_box_around_a_polytope_does_not_make_it_flat(time_limit):
    rng = np.random.default_rng(0)
    wide = TwoLayerNetwork(
        rng.standard_normal((10, 2)), np.zeros(10), rng.standard_normal((1, 10)), [0.0]
    )
    rows = np.vstack([np.eye(2), -np.eye(2)])
    found = lipschitz_constant(
        wide,
        2,
        lower=[-1e7] * 2,
        upper=[1e7] * 2,
        A=rows,
        b=np.full(4, 1e-3),
        time_limit=time_limit,
    )
    exact = lipschitz_constant(wide, 2)  # no biases: all cells meet at zero
    assert found.lower <= exact.upper * (1 + 1e-9) and exact.lower <= found.upper * (1 + 1e-9)


def test_a_flat_polytope_has_no_cells_without_time_either():
    rng = np.random.default_rng(0)
    wide = TwoLayerNetwork(
        rng.standard_normal((10, 2)), np.zeros(10), rng.standard_normal((1, 10)), [0.0]
    )
    polytope = flat()
    with pytest.raises(ValueError, match="flat"):
        lipschitz_constant(
            wide, 2, lower=polytope.lower, upper=polytope.upper, A=polytope.A, b=polytope.b,
            time_limit=0.0,
        )  # fmt: skip
