"""Faults of cvxpy that programs must not show."""

import numpy as np
import pytest

from convexrelu._utils.cvxpy_import import cp


@pytest.mark.parametrize("entries", [np.inf, -np.inf, np.finfo(float).max])
@pytest.mark.parametrize("treatment", ["warn", "raise"])
def test_the_shape_of_a_sum_does_not_depend_on_what_is_in_memory(monkeypatch, entries, treatment):
    """Warnings are errors here."""

    def memory(shape, dtype=float):
        found = np.zeros(shape, dtype)
        if np.dtype(dtype) == np.float64:
            found[...] = entries
            found[..., :1] = -entries if np.isinf(entries) else entries
        return found

    x = cp.Variable((4, 3))
    monkeypatch.setattr(np, "empty", memory)
    with np.errstate(all=treatment):
        assert cp.sum(x, axis=1).shape == (4,)
        assert cp.sum(x, axis=0, keepdims=True).shape == (1, 3)
        assert cp.sum(x).shape == ()
    with pytest.raises(ValueError, match="axis"):
        cp.sum(x, axis=2)
