"""Tables of what functions refuse: for each function, arguments that it takes, and bad values of some of them."""

import pytest


def each_argument(cases):
    """A test of every argument with bad values."""
    pairs = [(function, name) for function, (_, bad) in cases.items() for name in bad]
    return pytest.mark.parametrize(
        ("function", "name"), pairs, ids=lambda value: getattr(value, "__name__", value)
    )


def assert_named(cases, function, name):
    """Messages begin with the name of the argument that is bad."""
    arguments, bad = cases[function]
    for value in bad[name]:
        with pytest.raises(ValueError, match=f"^{name}"):
            function(**arguments | {name: value})
