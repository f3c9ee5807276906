"""The certified optimum as a line of a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_bound", "draw_optimum"]

# A certificate speaks of the optimum up to this gap, as in its own text.
_SMALL = 0.01
# Losses of landscapes are not rounded upwards.
_ROUNDING = 1e-9


def draw_optimum(ax: Axes, certificate: Certificate, *, along: str = "x", **style: Any) -> str:
    """Draw the bound of a certificate, and return the label that it was given.

    The line is at the lower bound, which no network is below if it is proved for all of them. It is called the optimum
    only where that is proved up to 1 %.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes to draw on.
    certificate : Certificate
        Of a training problem whose objective an axis shows.
    along : {"x", "y"}
        Axis of the objective.
    **style
        Passed to ``ax.axvline`` or ``ax.axhline``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from convexrelu import Certificate
    >>> from convexrelu.landscape import draw_optimum
    >>> _, ax = plt.subplots()
    >>> draw_optimum(ax, Certificate(2.0, 1.999, "global", "sweep", True))
    'certified global optimum'
    >>> draw_optimum(ax, Certificate(2.0, 1.999, "global", "search", False))
    'lower bound (estimated)'
    """
    label = _label(certificate)
    line = ax.axvline if along == "x" else ax.axhline
    drawn: dict[str, Any] = {"color": "k", "ls": "--", "lw": 1.2, "label": label}
    line(certificate.lower_bound, **(drawn | style))
    return label


def check_bound(certificate: Certificate | None, losses: Array) -> None:
    """Raise a ValueError if a loss contradicts a proof: then the certificate is of another problem."""
    if certificate is None or not certificate.is_proof or certificate.scope != "global":
        return
    lowest, bound = losses.min(initial=np.inf), certificate.lower_bound
    if lowest < bound - _ROUNDING * abs(bound):
        raise ValueError(
            f"certificate has the proved bound {bound:.6g}, but there is a loss of {lowest:.6g}: "
            "it is of another problem"
        )


def _label(certificate: Certificate) -> str:
    if certificate.scope != "global":
        return f"lower bound (of one {certificate.scope})"
    if not certificate.is_proof:
        return "lower bound (estimated)"
    if certificate.relative_gap > _SMALL:
        return "lower bound (proved)"
    return "certified global optimum"
