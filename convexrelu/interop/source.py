"""Networks as source text: a function in Python or C without dependencies."""

from __future__ import annotations

import keyword
import re
from typing import Any

from convexrelu.interop.c_source import c_source
from convexrelu.interop.heads import head_of
from convexrelu.interop.python_source import python_source
from convexrelu.interop.source_parts import SourceParts
from convexrelu.interop.weights import network_of

__all__ = ["LANGUAGES", "to_source"]

LANGUAGES = {"python": python_source, "c": c_source}


def to_source(
    network: Any, language: str = "python", *, head: str = "predict", name: str = "predict"
) -> str:
    """A function of one row that computes what the network or the estimator predicts, as source text.

    It needs nothing but ``math`` of Python, or C99. All numbers are those of the network to the last bit, so
    that results differ from ``predict`` by the order of its sums only.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or anything else with its arrays, or a fitted regressor or classifier of this package.
    language : {"python", "c"}
    head : {"outputs", "predict", "predict_proba"}
        What the function gives: outputs of the network, what ``predict`` says, or probabilities of all classes. The
        function in C writes several numbers to its second argument, and of labels returns the position in an array.
    name : str
        Name of the function. Other names in the text contain it, so that several texts fit in one file.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For another language, a name that is none, a head that the network does not have, or something without a
        network of two layers.
    NotFittedError
        For an estimator that is not fitted.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.interop.source import to_source
    >>> space = {}
    >>> exec(to_source(TwoLayerNetwork([[1.0, -1.0]], [0.5], [[2.0]], [0.0])), space)
    >>> space["predict"]([1.0, 0.0])
    3.0
    """
    if language not in LANGUAGES:
        available = ", ".join(map(repr, LANGUAGES))
        raise ValueError(f"language={language!r} is not known; available: {available}")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"name={name!r} is not a valid name of a function in Python and C")
    behind = head_of(network, head)
    given = network_of(behind.network(network))
    for label in () if behind.classes is None else behind.classes.labels:
        if not isinstance(label, str | int | float):
            raise ValueError(f"labels of type {type(label).__name__} cannot be written as source")
    return LANGUAGES[language](SourceParts(name, given, behind))
