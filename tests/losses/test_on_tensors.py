"""Losses on tensors are those of arrays."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from convexrelu.losses import Huber, Logistic, Multinomial, Poisson, SquaredError, SquaredHinge
from convexrelu.losses.on_tensors import loss_on_tensors

RANDOM = np.random.RandomState(0)
N = 40
OUTPUTS = 3 * RANDOM.standard_normal((N, 3))
LABELS = np.where(RANDOM.rand(N) > 0.5, 1.0, -1.0)


@dataclass(frozen=True)
class Own(SquaredError):
    """A user's loss, which has no formula for tensors."""

    name = "own"


CASES = {
    "squared_error": (SquaredError(), OUTPUTS[:, 0] + 1),
    "two outputs": (SquaredError(), OUTPUTS[::-1, :2]),
    "huber": (Huber(0.7), OUTPUTS[::-1, 0]),
    "huber, two outputs": (Huber(0.7), OUTPUTS[::-1, :2]),
    "squared_hinge": (SquaredHinge(), LABELS),
    "logistic": (Logistic(), LABELS),
    "poisson": (Poisson(), RANDOM.poisson(2.0, N).astype(float)),
    "multinomial": (Multinomial(), np.arange(N) % 3 + 0.0),
    "own": (Own(), OUTPUTS[::-1, 0]),
    "own, two outputs": (Own(), OUTPUTS[::-1, :2]),
}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case, device):
    loss, y = CASES[case]
    f = OUTPUTS[:, : loss.n_outputs(y)]
    flat = f[:, 0] if loss.n_outputs(y) == 1 else f

    def rounded(outputs, targets, width):
        assert case.startswith("own")
        return loss.value(outputs, targets), loss.gradient(outputs, targets)

    terms = loss_on_tensors(loss, y, device, rounded)
    values, gradients = terms(torch.tensor(f, device=device), 0.1)
    assert values.device.type == torch.device(device).type
    assert values.cpu().numpy() == pytest.approx(loss.value(flat, y), rel=1e-11, abs=1e-11)
    expected = loss.gradient(flat, y).reshape(f.shape)
    assert gradients.cpu().numpy() == pytest.approx(expected, rel=1e-11, abs=1e-11)
    some = slice(5, 9)
    assert torch.equal(terms(torch.tensor(f[some], device=device), 0.1, some)[1], gradients[some])
