"""Ascents against independent evaluation, with candidates as rows and as columns in memory."""

import numpy as np
import pytest
import torch

from convexrelu.oracles.search import ascents
from convexrelu.oracles.search.ascents import Best, ascend, ascend_outputs, indicator_, unit

STEPS = np.geomspace(0.3, 0.02, 15).tolist()
N, DIM, COUNT = 50, 4, 12


@pytest.fixture(params=[0, 256], ids=["rows", "columns"])
def layout(request, monkeypatch):
    monkeypatch.setattr(ascents, "_NARROW", request.param)
    monkeypatch.setattr(ascents, "_ROWS", 17)  # sums of blocks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tensors(*arrays):
    return [torch.tensor(array) for array in arrays]


def along(rows):
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def one_ascent(gradient, u):
    """Conditional gradient steps of one candidate, and the best point: by the formula."""
    points = [u]
    for step in STEPS[:-1]:
        points.append(along((1 - step) * points[-1] + step * along(gradient(points[-1]))))
    values = [u @ gradient(u) for u in points]
    return points[int(np.argmax(values))], max(values)


def test_ascents_are_those_of_the_formula(layout, rng):
    X, v = rng.standard_normal((N, DIM)), rng.standard_normal(N)
    starts, signs = along(rng.standard_normal((COUNT, DIM))), np.repeat([1.0, -1.0], COUNT // 2)
    directions, values = ascend(*tensors(X, v, signs, starts), STEPS)
    for k, (start, sign) in enumerate(zip(starts, signs, strict=True)):
        u, value = one_ascent(lambda u, sign=sign: sign * X.T @ ((X @ u > 0) * v), start)
        assert value == pytest.approx(float(values[k]), rel=1e-9)
        np.testing.assert_allclose(directions[k], u, atol=1e-9)
        at_u = sign * v @ np.maximum(X @ directions[k].numpy(), 0.0)
        assert at_u == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("slope", [0.0, 0.2, -1.0])
def test_ascents_for_outputs_are_those_of_the_formula(layout, rng, n_outputs, slope):
    X, V = rng.standard_normal((N, DIM)), rng.standard_normal((N, n_outputs))
    starts = along(rng.standard_normal((COUNT, DIM)))

    def gradient(u):
        t = X @ u
        towards = along(V.T @ np.where(t > 0, t, slope * t))
        return X.T @ (np.where(t > 0, 1.0, slope) * (V @ towards))

    directions, values = ascend_outputs(*tensors(X, V, starts), STEPS, slope)
    for k, start in enumerate(starts):
        u, value = one_ascent(gradient, start)
        assert value == pytest.approx(float(values[k]), rel=1e-9)
        np.testing.assert_allclose(directions[k], u, atol=1e-9)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_ascents_on_the_cylinder_report_their_values(layout, rng, slope):
    X = np.column_stack([rng.standard_normal((N, DIM - 1)), np.ones(N)])
    V, starts = rng.standard_normal((N, 2)), along(rng.standard_normal((COUNT, DIM)))
    found, values = ascend_outputs(*tensors(X, V, starts), STEPS, slope, reach=2.0)
    outputs = X @ found.numpy().T
    heights = np.linalg.norm(V.T @ np.where(outputs > 0, outputs, slope * outputs), axis=0)
    # Gradients are taken where the point is on the cylinder, values along them at its unit vector.
    np.testing.assert_allclose(values, heights, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-12)


def test_ascents_in_a_cone_stay_there(layout, rng):
    X, v = rng.standard_normal((N, DIM)), rng.standard_normal(N)
    limits = np.array([1.0, 0.0, -1.0, 0.0])
    starts = along(rng.standard_normal((COUNT, DIM)))
    starts = np.where(limits * starts < 0, -starts, starts)
    found, values = ascend(
        *tensors(X, v, np.ones(COUNT), starts), STEPS, limits=torch.tensor(limits)
    )
    assert (found.numpy() * limits >= 0).all()
    assert (values.numpy() >= v @ np.maximum(X @ starts.T, 0.0) - 1e-9).all()


@pytest.mark.parametrize("shape", [(N, 1), (1, DIM), (1, 1)])
@pytest.mark.parametrize("count", [1, 3])
def test_ascents_of_single_rows_features_and_candidates(layout, rng, shape, count):
    X, v = rng.standard_normal(shape), rng.standard_normal(shape[0])
    starts = along(rng.standard_normal((count, shape[1])))
    found, values = ascend(*tensors(X, v, np.ones(count), starts), STEPS)
    assert found.shape == starts.shape
    assert found.is_contiguous()
    np.testing.assert_allclose(values, v @ np.maximum(X @ found.numpy().T, 0.0), atol=1e-9)


def test_zero_rows_have_no_direction():
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    for laid in (rows, rows.T.contiguous().T):
        np.testing.assert_allclose(unit(laid), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_indicator_is_open_at_zero(dtype):
    outputs = torch.tensor([-2.0, -0.0, 0.0, 1e-30, 3.0], dtype=dtype)
    found = indicator_(outputs)
    assert found.dtype == dtype
    assert found.tolist() == outputs.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]


def test_the_best_points_are_kept():
    best = Best(torch.eye(2))
    best.update(torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
    best.update(-torch.eye(2), torch.tensor([[-2.0, 0.0], [0.0, -1.0]]))
    assert best.values.tolist() == [2.0, 3.0]
    assert best.directions.tolist() == [[-1.0, 0.0], [0.0, 1.0]]
