"""Verdicts on safety and adversarial radii, against samples."""

import math

import numpy as np
import pytest

from benchmarks.reach.reference import random_network
from convexrelu import TwoLayerNetwork
from convexrelu.reach import Polytope, adversarial_radius, is_safe, output_range

TENT = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])


@pytest.mark.parametrize("seed", range(8))
def test_samples_do_not_contradict_the_verdict(seed):
    network = random_network(seed)
    d, k = network.n_features, network.n_outputs
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (20_000, d))
    outputs = network.forward(X)
    C, point = rng.standard_normal((k, k)), outputs[0]  # as many rows as outputs: not empty
    for shift in (-2.0, -0.1, 0.0, 0.1):
        e = C @ point + shift
        report = is_safe(network, (-np.ones(d), np.ones(d)), (C, e))
        reached = (outputs @ C.T <= e).all(axis=1).any()
        assert report.verdict != "undecided"
        assert not (report and reached)
        if report.verdict == "unsafe":
            x = report.counterexample
            assert (np.abs(x) <= 1).all() and (network.forward(x[None, :]) @ C.T <= e + 1e-12).all()


def test_a_region_that_is_just_out_of_reach():
    network = random_network(2)
    d = network.n_features
    box = Polytope(lower=-np.ones(d), upper=np.ones(d))
    most = output_range(network, -np.ones(d), np.ones(d)).greatest
    row = -np.eye(network.n_outputs)[:1]
    assert is_safe(network, box, (row, [-most[0] - 1e-7])).verdict == "safe"
    assert is_safe(network, box, (row, [-most[0] + 1e-7])).verdict == "unsafe"
    touching = is_safe(network, box, (row, [-most[0]]))
    assert touching.verdict in ("unsafe", "undecided") and not touching.margin < -1e-9


def test_errors_of_regions():
    box = [-1.0], [3.0]
    with pytest.raises(ValueError, match="unsafe has no constraint"):
        is_safe(TENT, box, Polytope(lower=[-np.inf], upper=[np.inf]))
    with pytest.raises(ValueError, match="unsafe is empty"):
        is_safe(TENT, box, ([[1.0], [-1.0]], [0.0, -1.0]))
    with pytest.raises(ValueError, match=r"unsafe: A has shape \(1, 2\)"):
        is_safe(TENT, box, ([[1.0, 1.0]], [0.0]))
    with pytest.raises(ValueError, match="polytope is a float, expected a Polytope"):
        is_safe(TENT, 1.0, ([[1.0]], [0.0]))
    with pytest.raises(ValueError, match="polytope has dimension 2, expected 1"):
        is_safe(TENT, Polytope(lower=[0.0, 0.0], upper=1.0), ([[1.0]], [0.0]))
    with pytest.raises(ValueError, match="polytope is unbounded"):
        is_safe(TENT, ([[1.0]], [0.0]), ([[1.0]], [0.0]))


@pytest.mark.parametrize("norm", [1, 2, math.inf])
@pytest.mark.parametrize("seed", [2, 4, 11])
def test_no_sample_is_nearer_than_the_radius(norm, seed):
    network = random_network(seed)
    d = network.n_features
    rng = np.random.default_rng(0)
    x = rng.standard_normal(d)
    radius = adversarial_radius(network, x, norm=norm, largest=3.0)

    def answers(X):
        outputs = network.forward(X)
        return outputs.argmax(axis=1) if network.n_outputs > 1 else outputs[:, 0] >= 0

    steps = rng.standard_normal((20_000, d))
    steps /= np.linalg.norm(steps, ord=norm, axis=1)[:, None]
    near = x + min(radius.lower, 3.0) * rng.random((20_000, 1)) * steps
    assert (answers(near) == answers(x[None, :])).all()
    if radius.adversarial is None:
        assert radius.lower == 3.0 and radius.upper == math.inf
        return
    assert radius.is_exact
    assert np.linalg.norm(radius.adversarial - x, ord=norm) == pytest.approx(radius.upper)
    behind = x + (radius.adversarial - x) * (1 + 1e-7)
    found = {
        bool(np.array_equal(answers(one[None, :]), answers(x[None, :])))
        for one in (behind, radius.adversarial)
    }
    assert False in found


def test_the_radius_of_a_formula():
    # 1 − (x₁)₊ − (x₂)₊ changes sign at x₁ + x₂ = 1: at (1, 0), (½, ½) and (½, ½).
    network = TwoLayerNetwork(np.eye(2), [0.0, 0.0], [[-1.0, -1.0]], [1.0])
    expected = {1: 1.0, 2: math.sqrt(0.5), math.inf: 0.5}
    for norm, value in expected.items():
        radius = adversarial_radius(network, [0.0, 0.0], norm=norm)
        assert radius.lower <= value * (1 + 1e-12) and radius.upper >= value * (1 - 1e-12)
        assert radius.upper == pytest.approx(value, rel=1e-5)
    assert adversarial_radius(network, [0.0, 0.0], threshold=0.5).upper == pytest.approx(0.25)
    assert adversarial_radius(network, [0.0, 0.0], threshold=-9.0, largest=1.0).lower == 1.0


def test_errors_of_radii():
    with pytest.raises(ValueError, match="norm=3 is not known"):
        adversarial_radius(TENT, [0.0], norm=3)
    with pytest.raises(ValueError, match=r"x has shape \(2,\), expected \(1,\)"):
        adversarial_radius(TENT, [0.0, 1.0])
    with pytest.raises(ValueError, match="largest=-1 is not"):
        adversarial_radius(TENT, [0.0], largest=-1)
