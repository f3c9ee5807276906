"""Fixtures of the oracles."""

import pytest

from tests.oracles.data import DESIGNS


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]
