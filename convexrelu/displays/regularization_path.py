"""Scores and widths along a regularization path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import float_array
from convexrelu._utils.score_names import score_of
from convexrelu._utils.typing import Array
from convexrelu.displays.fitted import innermost
from convexrelu.results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RegularizationPathDisplay"]


class RegularizationPathDisplay:
    """Scores, or objectives, and widths of networks against `alpha`; matplotlib is imported when it is drawn.

    Parameters
    ----------
    alphas : array of shape (k,)
        Penalties.
    values : array of shape (k, n_folds)
        Drawn above: one column per fold; their mean, with a band of one standard error of the mean.
    widths : array of shape (k, n_folds)
        Numbers of neurons, drawn below.
    value_name : str
        Label of `values`.
    alpha : float, optional
        The chosen penalty, marked by a line.

    Attributes
    ----------
    ax_ : array of two matplotlib Axes
        Axes of the values, and of the widths.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLURegressorCV
    >>> from convexrelu.displays import RegularizationPathDisplay
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = ConvexReLURegressorCV(alphas=[1e-1, 1e-2, 1e-3], cv=3, random_state=0)
    >>> display = RegularizationPathDisplay.from_estimator(model.fit(X, np.abs(X[:, 0])))
    >>> [ax.get_ylabel() for ax in display.ax_]
    ['mean squared error / 2', 'neurons']
    """

    figure_: Figure
    ax_: NDArray[np.object_]

    def __init__(
        self,
        alphas: ArrayLike,
        values: ArrayLike,
        widths: ArrayLike,
        *,
        value_name: str = "score",
        alpha: float | None = None,
    ) -> None:
        self.alphas = np.asarray(alphas, dtype=np.float64)
        self.values = np.asarray(values, dtype=np.float64)
        self.widths = np.asarray(widths, dtype=np.float64)
        self.value_name = value_name
        self.alpha = alpha

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Sequence[Axes] | None = None, **kwargs: Any
    ) -> Self:
        """Draw the scores of a fitted :class:`~convexrelu.ConvexReLURegressorCV` or classifier, also in a pipeline.

        The axis has the name of the score. Where scikit-learn has the negative of an error, as with
        ``scoring="neg_mean_squared_error"``, the error is drawn: the smaller, the better.
        """
        estimator = innermost(estimator, "cv_scores_")
        score = score_of(estimator)
        tried = (estimator.cv_widths_ >= 0).all(axis=1)
        display = cls(
            estimator.alphas_[tried],
            score.sign * estimator.cv_scores_[tried],
            estimator.cv_widths_[tried],
            value_name=score.name,
            alpha=estimator.alpha_,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_results(
        cls,
        alphas: ArrayLike,
        results: Sequence[Result],
        *,
        ax: Sequence[Axes] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the objectives of a path, as :func:`~convexrelu.regularization_path` returns it for `alphas`.

        Raises
        ------
        ValueError
            If there are no results, or more results than penalties; there may be fewer, after an interruption.
        """
        penalties = float_array("alphas", alphas).ravel()
        if not 0 < len(results) <= len(penalties):
            raise ValueError(
                f"results has {len(results)} entries, expected 1 to {len(penalties)}, as for alphas"
            )
        display = cls(
            penalties[: len(results)],
            [[result.certificate.objective] for result in results],
            [[result.network.width] for result in results],
            value_name="regularised objective",
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, ax: Sequence[Axes] | None = None, *, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Draw on two axes, or on a new figure.

        Parameters
        ----------
        ax : two matplotlib Axes, optional
            For values and for widths.
        name : str, optional
            Label of the line of values.
        **kwargs
            Passed to the ``plot`` of values.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(2, sharex=True, height_ratios=[2, 1], layout="constrained")
        above, below = ax
        means, errors = self._means_and_errors()
        style: dict[str, Any] = {"marker": "o", "markersize": 3, "label": name or self._label()}
        line = above.plot(self.alphas, means, **style | kwargs)[0]
        color = line.get_color()
        if errors is not None:
            band = means - errors, means + errors
            above.fill_between(
                self.alphas, *band, color=color, alpha=0.2, lw=0, label="± one standard error"
            )
        below.plot(self.alphas, self.widths.mean(axis=1), marker="o", markersize=3, color=color)
        self._mark(above, below)
        above.set(ylabel=self.value_name, xscale="log")
        below.set(xlabel="alpha", ylabel="neurons", xscale="log", ylim=(0, None))
        above.legend()
        self.ax_ = np.array([above, below])
        self.figure_ = above.figure  # type: ignore[assignment]
        return self

    def _means_and_errors(self) -> tuple[Array, Array | None]:
        """Means over folds and their standard errors, if there is more than one fold."""
        n_folds = self.values.shape[1]
        means = self.values.mean(axis=1)
        if n_folds == 1:
            return means, None
        return means, self.values.std(axis=1, ddof=1) / np.sqrt(n_folds)

    def _label(self) -> str:
        n_folds = self.values.shape[1]
        return self.value_name if n_folds == 1 else f"mean of {n_folds} folds"

    def _mark(self, above: Axes, below: Axes) -> None:
        """Mark the chosen penalty."""
        if self.alpha is None:
            return
        style: dict[str, Any] = {"color": "0.4", "linestyle": ":", "zorder": 0}
        above.axvline(self.alpha, label=f"chosen: alpha = {self.alpha:.2g}", **style)
        below.axvline(self.alpha, **style)
