"""Certificates as HTML for notebooks: the sentence, and a bar of objective and bounds."""

from __future__ import annotations

from html import escape

from convexrelu.certificates.words import Evidence, details, headline

__all__ = ["certificate_html"]

# Text has the colour of the page, and the colours of the bar are seen on white and on black.
_PROVED, _ESTIMATED, _OPEN = "#2f8f5b", "#c79a2b", "#c2554d"
_STYLE = "font-family:sans-serif;font-size:0.9em;color:inherit;max-width:40em;margin:0.4em 0"
_TRACK = "display:flex;height:0.8em;border:1px solid #888;border-radius:3px;overflow:hidden;margin:0.3em 0"
_SQUARE = "display:inline-block;width:0.7em;height:0.7em;margin:0 0.3em 0 0.8em;background:"


def certificate_html(certificate: Evidence, *lines: str) -> str:
    """The sentence of a certificate, a bar from zero to the objective, and further lines of text.

    The bar is divided at the proved and at the estimated lower bound. There is no script and no style sheet.

    Parameters
    ----------
    certificate : Certificate
    *lines : str
        Plain text.

    Examples
    --------
    >>> from convexrelu import Certificate
    >>> html = certificate_html(Certificate(1.0, 0.5, "global", "sweep", True))
    >>> "width:50.00%" in html and "far from a proof" in html
    True
    """
    parts = _parts(certificate)
    shown = [part for part in parts if part[1] > 0]
    bar = "".join(f'<div style="width:{100 * w:.2f}%;background:{c}"></div>' for _, w, c in shown)
    keys = "".join(
        f'<span style="white-space:nowrap"><span style="{_SQUARE}{colour}"></span>{escape(name)}</span> '
        for name, _, colour in shown
    )
    label = "; ".join(f"{name}: {100 * width:.3g} % of the objective" for name, width, _ in parts)
    texts = [details(certificate), *lines]
    return (
        f'<div class="convexrelu-certificate" style="{_STYLE}"><strong>{escape(headline(certificate))}</strong>'
        f'<div role="img" aria-label="{escape(label)}" style="{_TRACK}">{bar}</div>'
        f'<div style="margin-left:-0.8em">{keys}</div>'
        + "".join(f"<div>{escape(text)}</div>" for text in texts)
        + "</div>"
    )


def _parts(certificate: Evidence) -> list[tuple[str, float, str]]:
    """Name, share of the objective and colour of each part of the bar."""
    proved = _share(certificate.proved_gap)
    bound = _share(certificate.relative_gap)
    if certificate.is_proof:  # of its scope
        return [("lower bound", bound, _PROVED), ("gap", 1 - bound, _OPEN)]
    proved = min(proved, bound)
    return [
        ("proved lower bound", proved, _PROVED),
        ("estimated lower bound", bound - proved, _ESTIMATED),
        ("estimated gap", 1 - bound, _OPEN),
    ]


def _share(gap: float) -> float:
    """Part of the objective below a bound with this relative gap."""
    return min(max(1.0 - gap, 0.0), 1.0)
