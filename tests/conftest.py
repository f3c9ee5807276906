"""Fixtures that several test files share."""

import pytest


@pytest.fixture(params=[(h, i, w) for h in (0, 1) for i in (0, 1) for w in (0, 1)])
def options(request):
    """Every kind of training problem; weighted ones take the `WEIGHTS` of the test's module."""
    hidden_bias, fit_intercept, weighted = request.param
    return {
        "hidden_bias": bool(hidden_bias),
        "fit_intercept": bool(fit_intercept),
        "sample_weight": request.module.WEIGHTS if weighted else None,
    }
