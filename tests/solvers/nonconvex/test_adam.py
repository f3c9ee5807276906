"""What steps of Adam have in common, against the algorithm as it is printed."""

import numpy as np
import pytest

from convexrelu.solvers.nonconvex.adam import AdamByStep, corrected

DECAYS = (0.9, 0.999)


class OnNumbers(AdamByStep):
    """Adam on a point whose gradients are rows of a table."""

    def __init__(self, table):
        super().__init__(DECAYS)
        self.point = np.zeros(table.shape[1])
        self._table, self._mean, self._square = table, 0.0, 0.0

    def _step(self, batch, size, scale):
        gradient, (first, second) = self._table[batch].mean(axis=0), self._decays
        self._mean = first * self._mean + (1 - first) * gradient
        self._square = second * self._square + (1 - second) * gradient**2
        self.point -= size * self._mean / (scale * np.sqrt(self._square))


def test_steps_are_those_of_the_paper():
    table = np.random.default_rng(0).standard_normal((6, 3))
    batches = [slice(k, k + 1) for k in range(6)]
    sizes = np.linspace(0.1, 0.01, 6).tolist()
    adam = OnNumbers(table)
    adam.steps(batches[:2], sizes[:2])
    adam.steps(batches[2:], sizes[2:])
    theta, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    for t, (gradient, size) in enumerate(zip(table, sizes, strict=True), start=1):
        m = DECAYS[0] * m + (1 - DECAYS[0]) * gradient
        v = DECAYS[1] * v + (1 - DECAYS[1]) * gradient**2
        m_hat, v_hat = m / (1 - DECAYS[0] ** t), v / (1 - DECAYS[1] ** t)
        theta -= size * m_hat / np.sqrt(v_hat)
    np.testing.assert_allclose(adam.point, theta, rtol=1e-12)


def test_the_first_step_has_its_size_and_late_ones_are_as_they_are():
    size, scale = corrected(0.1, 1, DECAYS)
    gradient = np.array([-3.0, 1e-3, 20.0])
    step = size * (1 - DECAYS[0]) * gradient / (scale * np.sqrt((1 - DECAYS[1]) * gradient**2))
    np.testing.assert_allclose(step, 0.1 * np.sign(gradient), rtol=1e-12)
    assert corrected(0.1, 10**6, DECAYS) == pytest.approx((0.1, 1.0), rel=1e-12)


def test_as_many_sizes_as_batches():
    with pytest.raises(ValueError, match="argument 2"):
        OnNumbers(np.ones((2, 2))).steps([slice(0, 1)], [0.1, 0.1])
