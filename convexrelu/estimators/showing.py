"""Fitted estimators for people: in notebooks, and as a report."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.rooms import room_above
from convexrelu.results.html import fit_html

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Showing"]


class Showing:
    """Mixin of the network estimators."""

    def report(
        self, path: str | os.PathLike[str], X: ArrayLike | None = None, y: ArrayLike | None = None
    ) -> None:
        """Write a report of the fit to one HTML file, see :func:`convexrelu.report.write_report`.

        Parameters
        ----------
        path : str or path
            File to write.
        X, y : array-like, optional
            Data on which importances and partial dependence are computed.
        """
        check_is_fitted(self, "network_")
        room_above("report").write_report(self, path, X, y)

    def _html_repr(self) -> str:
        """HTML for notebooks: of a fitted estimator first the gap, width and time, then as scikit-learn has it."""
        fitted: Any = self
        html = estimator_html_repr(fitted)
        if not hasattr(fitted, "certificate_"):
            return html
        seconds = [entry.seconds for entry in fitted.history_]
        return (
            fit_html(
                fitted.certificate_,
                fitted.network_.width,
                seconds,
                fitted.status_,
                *self._further_lines(),
            )
            + html
        )

    def _further_lines(self) -> list[str]:
        """What else to say of a fit."""
        return []
