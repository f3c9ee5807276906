"""Free columns, against their dense array."""

import numpy as np
import pytest
import torch

from convexrelu.solvers.native.free_columns import FreeColumns

N, K = 5, 3


def dense(columns, width):
    return np.column_stack([columns.push(unit).numpy() for unit in torch.eye(width).double()])


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("of_samples", [True, False])
def test_columns_are_independent_and_the_adjoint_is_the_transpose(intercept, of_samples):
    like = torch.zeros(N * K, dtype=torch.float64)
    columns = FreeColumns.of(like, K, intercept=intercept, of_samples=of_samples)
    width = len(columns.pull(like))
    assert width == intercept * K + of_samples * (N - intercept)
    E = dense(columns, width) if width else np.zeros((N * K, 0))
    assert np.linalg.matrix_rank(E) == width
    zeta = torch.tensor(np.random.default_rng(0).standard_normal(N * K))
    np.testing.assert_allclose(columns.pull(zeta).numpy(), E.T @ zeta.numpy(), atol=1e-14)


@pytest.mark.parametrize("of_samples", [True, False])
def test_outputs_that_are_the_same_for_all_samples_are_reached(of_samples):
    like = torch.zeros(N * K, dtype=torch.float64)
    columns = FreeColumns.of(like, K, intercept=True, of_samples=of_samples)
    outputs = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64).repeat(N)
    torch.testing.assert_close(columns.push(columns.of_constant(outputs)), outputs)


def test_without_an_intercept_all_outputs_of_a_sample_are_the_same():
    like = torch.zeros(N * K, dtype=torch.float64)
    columns = FreeColumns.of(like, K, intercept=False, of_samples=True)
    outputs = torch.full_like(like, -np.log(K))
    torch.testing.assert_close(columns.push(columns.of_constant(outputs)), outputs)
