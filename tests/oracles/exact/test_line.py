"""Samples on a line: the bound equals dense kinks, and stays a bound off the line."""

import numpy as np
import pytest

from convexrelu.oracles import FreeBiasOracle, Line, LineOracle, SweepOracle
from tests import reference


def dual_point(rng, n, n_outputs):
    v = rng.standard_normal((n, n_outputs))
    v -= v.mean(axis=0)
    return v[:, 0] if n_outputs == 1 else v


def design_of(centred):
    return np.column_stack([centred, np.full(len(centred), 300.0 * np.abs(centred).max())])


def dense_maximum(positions, v, slope):
    """Over kinks at all samples and many others, for ridges to both sides."""
    kinks = np.concatenate([positions, np.linspace(-9.0, 9.0, 2001)])
    columns = np.reshape(v, (len(positions), -1)).T
    return max(
        np.linalg.norm(
            columns @ reference.activation(side * (positions[:, None] - kinks), slope), axis=0
        ).max()
        for side in (1.0, -1.0)
    )


@pytest.mark.parametrize("slope", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_bound_is_the_maximum_over_kinks(n_outputs, slope, seed):
    rng = np.random.default_rng(seed)
    positions = rng.standard_normal(9)
    positions[3] = positions[4]
    positions -= positions.mean()
    v = dual_point(rng, 9, n_outputs)
    centred = positions[:, None]
    report = LineOracle(design_of(centred), Line.through(centred), slope)(v)
    assert report.is_proof
    assert report.bound == pytest.approx(dense_maximum(positions, v, slope), rel=1e-11)
    assert report.bound >= dense_maximum(positions, v, slope)
    # Witnesses are for a design in which biases cost a little.
    assert report.values[0] == pytest.approx(report.bound, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_a_sweep_on_the_design(seed):
    rng = np.random.default_rng(seed)
    positions = rng.standard_normal(30)
    centred = np.outer(positions - positions.mean(), [0.6, 0.0, -0.8])
    design = design_of(centred)
    v = dual_point(rng, 30, 1)
    swept = FreeBiasOracle(SweepOracle(design), design)(v)
    report = LineOracle(design, Line.through(centred))(v)
    assert report.bound <= swept.bound
    assert report.bound == pytest.approx(swept.bound, rel=2e-5)


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-14])
def test_what_is_off_the_line_is_in_the_bound(noise):
    rng = np.random.default_rng(0)
    positions = rng.standard_normal(20)
    centred = np.outer(positions - positions.mean(), [0.6, 0.8])
    centred += noise * rng.standard_normal(centred.shape)
    line = Line.through(centred)
    v = dual_point(rng, 20, 1)
    bound = LineOracle(design_of(centred), line)(v).bound
    weights = rng.standard_normal((200, 2))
    weights /= np.linalg.norm(weights, axis=1)[:, None]
    weights[0] = line.direction
    seen = centred @ weights.T
    for kink in seen:  # every neuron bends at every sample
        assert (v @ np.maximum(seen - kink, 0.0)).max() <= bound
    residual = np.linalg.norm(centred - np.outer(line.positions, line.direction), axis=1)
    assert (line.distances >= residual).all()


@pytest.mark.parametrize("noise", [1e-9, 1e-6, 1.0])
def test_near_misses_are_no_line(noise):
    rng = np.random.default_rng(0)
    rows = np.outer(rng.standard_normal(8), [1.0, 2.0]) + noise * rng.standard_normal((8, 2))
    assert Line.through(rows - rows.mean(axis=0)) is None


def test_equal_samples_are_no_line():
    assert Line.through(np.zeros((3, 2))) is None
