"""Constraints and docstrings of the estimators, made of the table of their parameters."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from convexrelu.estimators.entries import Entry, Kind, Parameter
from convexrelu.estimators.fitted_entries import ATTRIBUTES, EXCEPTIONS, WARNINGS
from convexrelu.estimators.parameters import parameters_of

__all__ = ["with_parameters"]

Class = TypeVar("Class", bound=type[Any])


def with_parameters(*kinds: Kind) -> Callable[[Class], Class]:
    """Give an estimator class of these kinds its constraints, and the sections of its docstring for ``{sections}``."""

    def decorate(cls: Class) -> Class:
        parameters = parameters_of(*kinds)
        cls._parameter_constraints = {one.name: one.constraints for one in parameters}
        if cls.__doc__:  # python -OO has none
            doc = inspect.cleandoc(cls.__doc__)
            cls.__doc__ = doc.replace("{sections}", _sections(parameters, kinds))
        return cls

    return decorate


def _sections(parameters: Sequence[Parameter], kinds: Sequence[Kind]) -> str:
    """Parameters, attributes, warnings and exceptions as numpydoc has them."""
    sections: dict[str, Sequence[Entry]] = {
        "Parameters": parameters,
        "Attributes": ATTRIBUTES,
        "Warns": WARNINGS,
        "Raises": EXCEPTIONS,
    }
    return "\n\n".join(
        "\n".join([title, "-" * len(title), *_items(entries, kinds)])
        for title, entries in sections.items()
    )


def _items(entries: Iterable[Entry], kinds: Sequence[Kind]) -> list[str]:
    indent = " " * 4
    return [
        f"{entry.heading}\n"
        + textwrap.fill(
            entry.text_for(kinds),
            width=100,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for entry in entries
        if entry.only in ("", *kinds)
    ]
