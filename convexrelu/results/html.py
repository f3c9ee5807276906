"""The outcome of a training as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.html import certificate_html
from convexrelu.results.status import Status

__all__ = ["fit_html", "fit_in_words"]


def fit_html(
    certificate: Certificate, width: int, seconds: Sequence[float], status: Status, *lines: str
) -> str:
    """The certificate, and below it width, rounds, time and status; and further lines.

    Parameters
    ----------
    certificate : Certificate
    width : int
        Number of neurons.
    seconds : list of float
        When the rounds ended.
    status : Status
    *lines : str
        Plain text.

    Examples
    --------
    >>> from convexrelu import Certificate
    >>> html = fit_html(Certificate(1.0, 0.999, "global", "sweep", True), 3, [], Status.CONVERGED)
    >>> "3 neurons" in html and "CONVERGED" in html
    True
    """
    return certificate_html(certificate, fit_in_words(width, seconds, status), *lines)


def fit_in_words(width: int, seconds: Sequence[float], status: Status) -> str:
    """Width, rounds and time of a training, and how it ended."""
    parts = [f"{width} {_many('neuron', width)}"]
    if seconds:
        count = len(seconds)
        parts.append(f"{count} {_many('round', count)} in {seconds[-1]:.3g} s")
    return f"{', '.join(parts)}; {status.name}: {status.value}"


def _many(name: str, count: int) -> str:
    return name if count == 1 else f"{name}s"
