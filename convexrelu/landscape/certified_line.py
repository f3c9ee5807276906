"""The certified optimum as a line of a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convexrelu.certificates.certificate import Certificate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_optimum"]

# A certificate speaks of the optimum up to this gap, as in its own text.
_SMALL = 0.01


def draw_optimum(ax: Axes, certificate: Certificate, *, along: str = "x", **style: Any) -> str:
    """Draw the bound of a certificate, and return the label that it was given.

    The line is at the lower bound, which no network is below if it is proved for all of them. It is called the optimum
    only where that is proved up to 1 %.

    Parameters
    ----------
    ax : matplotlib Axes
        Where.
    certificate : Certificate
        Of a training problem whose objective an axis shows.
    along : {"x", "y"}
        Which axis has the objective.
    **style
        Passed to ``ax.axvline`` or ``ax.axhline``.
    """
    label = _label(certificate)
    line = ax.axvline if along == "x" else ax.axhline
    drawn: dict[str, Any] = {"color": "k", "ls": "--", "lw": 1.2, "label": label}
    line(certificate.lower_bound, **(drawn | style))
    return label


def _label(certificate: Certificate) -> str:
    if certificate.scope != "global":
        return f"lower bound (of one {certificate.scope})"
    if not certificate.is_proof:
        return "lower bound (estimated)"
    if certificate.relative_gap > _SMALL:
        return "lower bound (proved)"
    return "certified global optimum"
