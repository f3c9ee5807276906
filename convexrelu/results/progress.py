"""Progress of a training run, as lines of text."""

from __future__ import annotations

import logging

from convexrelu._utils.logs import tell
from convexrelu.oracles.bounds.proof_progress import ProofProgress
from convexrelu.results.result import Round

__all__ = ["ProgressPrinter"]

_HEADER = (
    f"{'time':>8}  {'objective':>12}  {'lower bound':>12}  {'gap':>8}  {'width':>5}  {'cuts':>4}"
)


class ProgressPrinter:
    """Callable that shows one line per round; a question mark follows bounds that are not proved.

    During a long proof by branch and bound, a line every few seconds says how far it is. Lines are messages of the
    logger ``"convexrelu"``; they are printed where none of its handlers takes them.

    Parameters
    ----------
    level : int
        Level of the messages. Only from ``logging.INFO`` on they are printed.
    """

    def __init__(self, level: int = logging.INFO) -> None:
        self._started = False
        self._level = level

    def __call__(self, entry: Round) -> None:
        """Show `entry`, preceded by a heading on the first call."""
        if not self._started:
            tell(_HEADER, self._level)
            self._started = True
        mark = " " if entry.is_proof else "?"
        tell(
            f"{entry.seconds:7.1f}s  {entry.objective:12.6g}  {entry.lower_bound:12.6g}{mark} "
            f"{entry.relative_gap:8.1e}  {entry.width:5d}  {entry.n_cuts:4d}",
            self._level,
        )

    def proof(self, entry: ProofProgress) -> None:
        """Show how far a long proof is."""
        tell(str(entry), self._level)
