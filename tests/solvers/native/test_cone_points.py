"""Second-order cones, against dense matrices and steps taken to their ends."""

import numpy as np
import pytest
import torch

from convexrelu.solvers.native import cone_points
from convexrelu.solvers.native.cone_points import Scaling, Slacks, arrow, arrow_divide, cone_rate


def inside(count, seed):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.standard_normal((count, 4)))
    x[:, 0] = x[:, 1:].norm(dim=1) * (1 + torch.tensor(rng.exponential(size=count)))
    return x


def test_scalings_meet_in_the_middle():
    q, z, x = inside(20, 0), inside(20, 1), torch.tensor(np.random.default_rng(2).normal(size=4))
    scaling = Scaling.of(q, z)
    torch.testing.assert_close(scaling.apply(z), scaling.inverse(q))
    torch.testing.assert_close(scaling.apply(z), scaling.scaled)
    torch.testing.assert_close(scaling.apply(scaling.inverse(q + x)), q + x)


def test_the_complement_of_the_norm_is_that_of_the_dense_scaling():
    q, z = inside(5, 3), inside(5, 4)
    scaling = Scaling.of(q, z)
    cone, axis = scaling.without_tau()
    units = torch.eye(4, dtype=torch.float64)
    twice = [scaling.inverse(scaling.inverse(e.expand(5, 4))) for e in units]
    dense = torch.stack(twice, dim=2)
    row = dense[:, 0, 1:] / dense[:, :1, 0]
    torch.testing.assert_close(axis, row)
    complement = dense[:, 1:, 1:] - dense[:, 1:, :1] * row[:, None, :]
    torch.testing.assert_close(cone, complement)


def test_steps_end_at_the_boundary():
    x, dx = inside(50, 5), torch.tensor(np.random.default_rng(6).normal(size=(50, 4)))
    for one, step in zip(x, dx, strict=True):
        rate = float(cone_rate(one[None], step[None]))
        if rate > 0:
            end = one + step / rate
            assert float(end[0]) == pytest.approx(float(end[1:].norm()), rel=1e-9)
        else:  # the step stays inside for ever
            far = one + 1e6 * step
            assert far[0] >= far[1:].norm()


def test_the_product_of_jordan_is_undone():
    x, y = inside(20, 7), inside(20, 8)
    torch.testing.assert_close(arrow_divide(x, arrow(x, y)), y)


@pytest.mark.parametrize("most", [0, 10**6])
def test_weighted_products_of_normals_at_once_and_block_by_block(monkeypatch, most):
    monkeypatch.setattr(cone_points, "_MOST_SQUARES", most)
    rng = np.random.default_rng(8)
    slacks = Slacks(torch.tensor(rng.standard_normal((6, 3))), torch.ones(2, 6, dtype=torch.bool))
    weights = torch.tensor(rng.exponential(size=(2, 6)))
    assert (slacks._squares is None) == (most == 0)
    normals = slacks.normals.numpy()
    expected = [normals.T @ np.diag(own) @ normals for own in weights.numpy()]
    np.testing.assert_allclose(slacks.gram(weights).numpy(), expected, rtol=1e-12)
