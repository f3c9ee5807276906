"""Early stopping: training ends when the score on other data no longer rises."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number
from convexrelu.results.result import Round

__all__ = ["ValidationStop"]


class ValidationStop:
    """Ends training when the score on a validation set no longer rises from network to network.

    This saves time where only predictions matter. It is no regularisation, for which there is `alpha`: the best
    networks of later rounds come ever closer to one optimum, and scores mostly settle long before the gap is closed.
    The network that is kept is that of the last round, and its certificate says how far it is from the optimum.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Inputs as the estimator sees them: in a pipeline, after the steps before it.
    y : array-like of shape (n,) or (n, K)
        Their targets or labels.
    scoring : str or callable, optional
        As scikit-learn has it, the larger the better; ``estimator.score`` by default.
    patience : int
        Networks in a row that do not improve the score before training ends.
    min_gain : float
        A score counts as improved if it is above the best one before by more than this.

    Notes
    -----
    Threshold networks are known at the end only: with ``activation="threshold"`` this never ends training.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLURegressor
    >>> from convexrelu.callbacks import ValidationStop
    >>> X = np.random.default_rng(0).normal(size=(80, 3))
    >>> y = np.abs(X).sum(axis=1)
    >>> stop = ValidationStop(X[60:], y[60:], patience=1, min_gain=0.5)
    >>> model = ConvexReLURegressor(tol=1e-9, callbacks=[stop], random_state=0).fit(X[:60], y[:60])
    >>> model.status_.name
    'STOPPED'
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        scoring: str | Callable[..., float] | None = None,
        patience: int = 3,
        min_gain: float = 1e-4,
    ) -> None:
        check_number("patience", patience, numbers.Integral, 1)
        check_number("min_gain", min_gain, numbers.Real, 0)
        self.X = X
        self.y = y
        self.scoring = scoring
        self.patience = patience
        self.min_gain = min_gain

    def for_fit(self, estimator: Any) -> Callable[[Round], bool]:
        """A callback for one fit of an estimator, which lacks only its network."""
        return _Watch(self, estimator)

    def __repr__(self) -> str:
        shape = getattr(self.X, "shape", (len(self.X),))  # type: ignore[arg-type]
        scoring = "" if self.scoring is None else f", scoring={self.scoring!r}"
        return (
            f"ValidationStop(<{shape[0]} samples>{scoring}, patience={self.patience}, "
            f"min_gain={self.min_gain:g})"
        )


class _Watch:
    """The scores of one fit."""

    def __init__(self, stop: ValidationStop, estimator: Any) -> None:
        self._stop, self._estimator = stop, estimator
        self._best, self._idle = -math.inf, 0
        self._seen: Any = None

    def __call__(self, entry: Round) -> bool:
        """Whether the scores have stopped to rise. A network that was seen before does not count.

        Nor does one without blocks, on the way of descent, where networks follow each other within milliseconds.
        """
        if entry.network is None or entry.network is self._seen:
            return False
        self._seen = entry.network
        score = self._score(entry.network)
        if score > self._best + self._stop.min_gain:
            self._best, self._idle = score, 0
        elif entry.n_blocks > 0:
            self._idle += 1
        return self._idle >= self._stop.patience

    def _score(self, network: Any) -> float:
        from sklearn.metrics import check_scoring  # takes a tenth of a second to import

        model = copy.copy(self._estimator)
        model.network_ = network
        return float(
            check_scoring(model, scoring=self._stop.scoring)(model, self._stop.X, self._stop.y)
        )
