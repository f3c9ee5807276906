"""What follows the outputs of a network, so that an export says what ``predict`` or ``predict_proba`` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["HEADS", "Classes", "Head", "SeveralLabels", "head_of"]

# Names that users give; "outputs" are those of the network.
HEADS = ("outputs", "predict", "predict_proba")


@dataclass(frozen=True)
class Classes:
    """The classes of a classifier, and how outputs become their scores.

    Attributes
    ----------
    labels : tuple
        Of all classes, as plain Python values.
    present : tuple of int
        Positions of the classes that had weight in training; others have probability zero.
    coupled : bool
        Whether there is an output for each of these. Otherwise one output is the score of the second of two, over
        zero for the first.
    has_probabilities : bool
        Whether the loss gives probabilities: not with the hinge losses.
    """

    labels: tuple[Any, ...]
    present: tuple[int, ...]
    coupled: bool
    has_probabilities: bool

    @property
    def to_scores(self) -> Array | None:
        """Matrix from outputs to scores of the classes that are present; None where these are the outputs."""
        return None if self.coupled else np.eye(2)[1:, -len(self.present) :]

    @property
    def to_all(self) -> Array | None:
        """Matrix from probabilities of the classes that are present to those of all; None if all are."""
        all_present = len(self.present) == len(self.labels)
        return None if all_present else np.eye(len(self.labels))[list(self.present)]


@dataclass(frozen=True)
class SeveralLabels:
    """Labels each of which a sample has or not.

    Attributes
    ----------
    network : TwoLayerNetwork
        Its outputs are scores of all labels, positive for those that a sample has.
    has_probabilities : bool
        Whether the loss gives probabilities.
    """

    network: Any
    has_probabilities: bool


@dataclass(frozen=True)
class Head:
    """What is computed from the outputs.

    Attributes
    ----------
    kind : str
        ``"outputs"`` as they are, ``"exp"`` of them, ``"label"`` or ``"probabilities"``; of several labels
        ``"indicators"``, which are zeros and ones, or ``"chances"``.
    classes : Classes, optional
        For a label and probabilities.
    several : SeveralLabels, optional
        For indicators and chances.
    """

    kind: str
    classes: Classes | None = None
    several: SeveralLabels | None = None

    def network(self, given: Any) -> Any:
        """The network, or estimator with one, whose outputs the head takes."""
        return given if self.several is None else self.several.network


def head_of(given: Any, name: str) -> Head:
    """The head of that name for a network or a fitted estimator.

    Parameters
    ----------
    given : TwoLayerNetwork or estimator
        Estimators of this package say by their ``_classes_of_outputs``, ``_several_labels`` and
        ``_predicts_logarithms`` what they predict.
    name : {"outputs", "predict", "predict_proba"}

    Raises
    ------
    ValueError
        For another name, or probabilities where there are none.
    """
    if name not in HEADS:
        raise ValueError(f"head={name!r} is not known; available: {', '.join(map(repr, HEADS))}")
    if name == "outputs":
        return Head("outputs")
    several: SeveralLabels | None = getattr(given, "_several_labels", lambda: None)()
    if several is not None:
        return _of_several(several, name)
    classes: Classes | None = getattr(given, "_classes_of_outputs", lambda: None)()
    if name == "predict_proba":
        if classes is None or not classes.has_probabilities:
            raise ValueError(f"head='predict_proba': {type(given).__name__} has no probabilities")
        return Head("probabilities", classes)
    if classes is not None:
        return Head("label", classes)
    return Head("exp" if getattr(given, "_predicts_logarithms", False) else "outputs")


def _of_several(several: SeveralLabels, name: str) -> Head:
    if name == "predict":
        return Head("indicators", several=several)
    if not several.has_probabilities:
        raise ValueError(f"head={name!r}: the loss of the labels has no probabilities")
    return Head("chances", several=several)
