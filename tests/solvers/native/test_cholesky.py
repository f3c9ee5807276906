import numpy as np
import pytest
import torch

from convexrelu.solvers.native.cholesky import cholesky_factor


def test_definite_matrices_have_their_own_factor():
    rows = torch.tensor(np.random.default_rng(0).standard_normal((12, 5)))
    gram = rows.T @ rows
    before = gram.clone()
    assert torch.equal(cholesky_factor(gram), torch.linalg.cholesky(gram))
    assert torch.equal(gram, before)
    assert cholesky_factor(torch.zeros(0, 0, dtype=torch.float64)).shape == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_matrices_that_rounding_makes_indefinite_have_a_factor_that_is_near_in_every_entry(seed):
    """Of low rank, plus the identity, with rows of very different sizes, as in the last steps of interior points."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-4, 9, 40)
    rows = torch.tensor(sizes[:, None] * rng.standard_normal((40, 4)))
    matrix = rows @ rows.T
    matrix.diagonal().add_(1)
    factor = cholesky_factor(matrix)
    root = matrix.diagonal().sqrt()
    error = (factor @ factor.T - matrix) / torch.outer(root, root)
    assert float(error.abs().max()) <= 1e-9
    assert torch.equal(factor, factor.tril())


def test_matrices_that_differences_of_large_numbers_make_indefinite_have_a_factor():
    matrix = torch.tensor([[1.0, 0.0, 1e-8], [0.0, 1e-16, 2e-16], [1e-8, 2e-16, 1e-16]]).double()
    factor = cholesky_factor(matrix)
    assert float((factor @ factor.T - matrix).abs().max()) <= 1e-14


def test_indefinite_matrices_are_refused():
    with pytest.raises(torch.linalg.LinAlgError):
        cholesky_factor(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))
