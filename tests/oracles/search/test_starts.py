"""Where searches start."""

import numpy as np

from convexrelu.oracles.search.starts import random_starts, starts_near


def test_starts_have_a_sample_on_their_boundary(design):
    starts = random_starts(design, 50, np.random.RandomState(0))
    if design.shape[1] > 2:
        outputs = np.abs(starts @ design.T)
        np.testing.assert_allclose(outputs.min(axis=1), 0.0, atol=1e-12 * np.abs(design).max())
    assert np.isfinite(starts).all() and starts.shape == (50, design.shape[1])


def test_starts_are_near_the_maxima_that_are_known():
    maxima = np.eye(5)[:2]
    starts = starts_near(maxima, 40, np.random.RandomState(0))
    distances = np.linalg.norm(starts[:, None] - maxima, axis=2)
    np.testing.assert_allclose(distances.min(axis=1), 0.5)
    assert set(distances.argmin(axis=1)) == {0, 1}
    assert len(np.unique(starts, axis=0)) == 40


def test_there_are_no_starts_near_nothing():
    assert starts_near(np.zeros((0, 5)), 40, np.random.RandomState(0)).shape == (0, 5)
