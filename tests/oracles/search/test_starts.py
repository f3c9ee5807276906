"""Where searches start."""

import numpy as np

from convexrelu.oracles.search.starts import random_starts


def test_starts_have_a_sample_on_their_boundary(design):
    starts = random_starts(design, 50, np.random.RandomState(0))
    if design.shape[1] > 2:
        outputs = np.abs(starts @ design.T)
        np.testing.assert_allclose(outputs.min(axis=1), 0.0, atol=1e-12 * np.abs(design).max())
    assert np.isfinite(starts).all() and starts.shape == (50, design.shape[1])
