"""Progress bars, drawn by rich if it is installed: of a fit, and of the penalties of a cross-validation."""

from __future__ import annotations

import math
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from convexrelu._utils.interruptions import interruptions_held
from convexrelu.oracles.bounds.proof_progress import ProofProgress
from convexrelu.results.result import Round

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FitBar", "PenaltyBar", "console_for_bars"]

# Smallest gap on the scale of the bar: a tolerance of zero has no logarithm.
_SMALLEST_GAP = 1e-12


def console_for_bars() -> Console | None:
    """Standard error, where it can show bars: a terminal or a notebook, rich installed, and in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    try:
        with interruptions_held():
            from rich.console import Console
    except ImportError:
        return None
    console = Console(stderr=True)
    shows = console.is_jupyter or (console.is_terminal and not console.is_dumb_terminal)
    return console if shows else None


class _Bar:
    """A bar with one text on its right; a context manager that draws it."""

    def __init__(self, console: Console, title: str, total: float) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task(title, total=total, text="")

    def __enter__(self) -> Self:
        """Start to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the bar as it is last."""
        self._progress.stop()

    def show(self, completed: float | None, text: str) -> None:
        """Move the bar; None leaves it where it is."""
        self._progress.update(self._task, completed=completed, text=text)


class FitBar(_Bar):
    """The gap of a fit on its way to the tolerance, on a log scale; with the width and the kind of the bound.

    Parameters
    ----------
    console : rich.console.Console
    tol : float
        Relative gap at which the bar is full.
    """

    def __init__(self, console: Console, tol: float) -> None:
        super().__init__(console, "fit", 1.0)
        self._tol = tol
        self._first: float | None = None

    def __call__(self, entry: Round) -> None:
        """Show a round."""
        if self._first is None:
            self._first = entry.relative_gap
        kind = "proved" if entry.is_proof else "estimated"
        neurons = "neuron" if entry.width == 1 else "neurons"
        self.show(
            share_of_way(self._first, entry.relative_gap, self._tol),
            f"gap {entry.relative_gap:.1e} → {self._tol:.0e} ({kind}), {entry.width} {neurons}",
        )

    def proof(self, entry: ProofProgress) -> None:
        """Show how far a long proof is, as text."""
        self.show(None, str(entry))


class PenaltyBar(_Bar):
    """Networks of the folds that were trained, of all penalties.

    Parameters
    ----------
    console : rich.console.Console
    n_alphas, n_folds : int
    """

    def __init__(self, console: Console, n_alphas: int, n_folds: int) -> None:
        super().__init__(console, "folds", n_alphas * n_folds)
        self._n_alphas, self._n_folds = n_alphas, n_folds

    def penalty(self, k: int, best_alpha: float, best_score: float) -> None:
        """Show that penalty number `k`, from zero on, was trained in all folds."""
        self.show(
            (k + 1) * self._n_folds,
            f"penalty {k + 1} of {self._n_alphas} in {self._n_folds} folds, best so far: alpha {best_alpha:.2g} "
            f"with score {best_score:.4g}",
        )


def share_of_way(first: float, now: float, tol: float) -> float:
    """How far a gap has come from the first one to the tolerance, from 0 to 1, in logarithms.

    Examples
    --------
    >>> [round(share_of_way(1.0, gap, 1e-4), 2) for gap in (2.0, 1.0, 1e-1, 1e-4, 0.0)]
    [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    end = max(tol, _SMALLEST_GAP)
    if now <= end:
        return 1.0
    first = min(first, 1.0)
    if first <= end or now >= first:
        return 0.0
    return math.log(first / now) / math.log(first / end)
