"""Progress of a training run, as lines of text."""

from __future__ import annotations

from convexrelu.results.result import Round

__all__ = ["ProgressPrinter"]

_HEADER = (
    f"{'time':>8}  {'objective':>12}  {'lower bound':>12}  {'gap':>8}  {'width':>5}  {'cuts':>4}"
)


class ProgressPrinter:
    """Callable that prints one line per round; a question mark follows bounds that are not proved."""

    def __init__(self) -> None:
        self._started = False

    def __call__(self, entry: Round) -> None:
        """Print `entry`, preceded by a heading on the first call."""
        if not self._started:
            print(_HEADER)
            self._started = True
        mark = " " if entry.is_proof else "?"
        print(
            f"{entry.seconds:7.1f}s  {entry.objective:12.6g}  {entry.lower_bound:12.6g}{mark} "
            f"{entry.relative_gap:8.1e}  {entry.width:5d}  {entry.n_cuts:4d}",
            flush=True,
        )
