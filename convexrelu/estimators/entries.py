"""What docstrings say of a parameter, an attribute or a warning, and what a parameter allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

__all__ = ["Entry", "Kind", "Parameter"]

# An estimator is a regressor or a classifier, and is given its `alpha` ("fixed") or chooses it ("cv").
Kind = Literal["regressor", "classifier", "fixed", "cv"]


@dataclass(frozen=True)
class Entry:
    """Description of a name in docstrings.

    Attributes
    ----------
    name, type, text : str
        As numpydoc has them.
    only : str
        The kind of estimators that have it; empty if all have.
    regressor, classifier, cv : str
        Added to the text for estimators of that kind.
    """

    name: str
    type: str
    text: str
    _: KW_ONLY
    only: Kind | Literal[""] = ""
    regressor: str = ""
    classifier: str = ""
    cv: str = ""

    def text_for(self, kinds: Sequence[Kind]) -> str:
        """The text, with what is added for these kinds."""
        added = {"regressor": self.regressor, "classifier": self.classifier, "cv": self.cv}
        texts = [self.text, *(text for kind, text in added.items() if kind in kinds)]
        return " ".join(filter(None, texts))

    @property
    def heading(self) -> str:
        """Name and type."""
        return f"{self.name} : {self.type}" if self.type else self.name


@dataclass(frozen=True)
class Parameter(Entry):
    """A parameter.

    Attributes
    ----------
    default : object
        The default.
    allowed : list or callable
        Constraints of scikit-learn, any of which is enough; or a function that returns them, where that takes time.
    """

    _: KW_ONLY
    default: Any
    allowed: list[Any] | Callable[[], list[Any]]

    @property
    def constraints(self) -> list[Any]:
        """Constraints of the parameter, as a list."""
        return self.allowed() if callable(self.allowed) else self.allowed

    @property
    def heading(self) -> str:
        """Name, type and default."""
        shown = f'"{self.default}"' if isinstance(self.default, str) else repr(self.default)
        return f"{super().heading}, default={shown}"
