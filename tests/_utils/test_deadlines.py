"""What fits before a deadline."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from convexrelu._utils.deadlines import (
    latest_start,
    part_before,
    product_fits,
    seconds_before,
    svd_fits,
)
from convexrelu._utils.norms import norms


def test_sizes_decide(clock):
    deadline = clock.now + 1.0
    assert product_fits(9e9, deadline)
    assert not product_fits(1.1e10, deadline)
    assert svd_fits((1000, 500), deadline)
    assert svd_fits((500, 1000), deadline)
    assert not svd_fits((10_000, 500), deadline)
    clock.now += 2.0
    assert not product_fits(2e8, deadline)
    assert product_fits(1e6, deadline)  # no one notices
    assert product_fits(1e300, math.inf)


def test_parts_of_the_time(clock):
    deadline = clock.now + 4.0
    assert part_before(deadline, 0.25) == clock.now + 1.0
    assert seconds_before(deadline, 0.5) == 2.0
    clock.now += 5.0
    assert part_before(deadline, 0.25) < clock.now
    assert seconds_before(deadline) == 0.0
    assert seconds_before(math.inf) is None


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-130, 1.0, 1e150, 1e300])
def test_norms_in_one_pass_and_by_scaled_rows(scale):
    rows = np.random.default_rng(0).standard_normal((6, 5))
    mixed = np.vstack([scale * rows, rows, np.zeros((1, 5))])
    lengths = np.linalg.norm(rows, axis=1)
    assert_allclose(norms(mixed), [*(scale * lengths), *lengths, 0.0], rtol=1e-14)
    assert_allclose([norms(row) for row in mixed], norms(mixed), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_norms_of_other_numbers_are_those_of_float64(dtype):
    """Neither do squares of float32 underflow at 1e-23, nor are those of truth values added as truth values."""
    size = np.array(1e-22 if dtype is np.float32 else 3 * 10**10).astype(dtype)
    rows = np.full((2, 3), size)
    assert_allclose(norms(rows), float(size) * np.sqrt([3.0, 3.0]), rtol=1e-14)


def test_the_latest_start_leaves_the_time_that_is_needed(clock):
    deadline = clock.now + 10.0
    clock.now = latest_start(3e10, deadline)
    assert clock.now < deadline
    assert product_fits(2.9e10, deadline)
    assert not product_fits(3.1e10, deadline)
