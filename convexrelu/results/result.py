"""Result of training, with its history."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from convexrelu._utils.arguments import shown
from convexrelu._utils.rooms import room_above
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.proof_file import gap_to_prove, save_proof
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.bounds.proof_progress import ShowProof
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.html import fit_html
from convexrelu.results.status import Status

__all__ = ["Progress", "Result", "Round", "asks_to_stop", "check_progress", "show_proof_of"]


@dataclass(frozen=True)
class Round:
    """One row of the history.

    Attributes
    ----------
    seconds : float
        Time since the start of training.
    objective, lower_bound, relative_gap, is_proof
        Of the best network so far; see :class:`~convexrelu.certificates.Certificate`.
    width : int
        Number of its neurons; :func:`~convexrelu.optimal_set.minimal` may need fewer for the same.
    n_blocks : int
        Number of blocks in the program; none for networks on the way of descent, before there is a program.
    n_cuts : int
        Number of blocks that this round adds.
    violation : float
        ``M̂/alpha − 1``.
    solver_status : str
        Status of the last solver call until this round, empty for the first; ``CONVERGED`` if rounds needed none.
    network : TwoLayerNetwork or GatedNetwork, optional
        The best network so far, for ``progress``. It is not kept in a history, where networks would need more memory
        than the result. Threshold networks are not included either, since their gates are computed at the end.
    certificate : Certificate, optional
        That of this network, for ``progress``.
    """

    seconds: float
    objective: float
    lower_bound: float
    relative_gap: float
    is_proof: bool
    width: int
    n_blocks: int
    n_cuts: int
    violation: float
    solver_status: str
    network: TwoLayerNetwork | GatedNetwork | ThresholdNetwork | None = field(
        default=None, repr=False, compare=False
    )
    certificate: Certificate | None = field(default=None, repr=False, compare=False)


# What training calls with every round. Where it returns True, training ends; everything else is ignored. If it has a
# method `proof`, that is called with a ProofProgress every few seconds of a long proof.
Progress = Callable[[Round], Any]


def show_proof_of(progress: Progress | None) -> ShowProof | None:
    """The method `proof` of a callback, or None if it has none."""
    show = getattr(progress, "proof", None)
    return show if callable(show) else None


def check_progress(progress: object) -> None:
    """Raise an error for what cannot be called with a round.

    Examples
    --------
    >>> check_progress(3)
    Traceback (most recent call last):
    ValueError: progress=3 is not a callable that takes a Round, or None
    """
    if progress is not None and (isinstance(progress, type) or not callable(progress)):
        raise ValueError(
            f"progress={shown(progress)} is not a callable that takes a Round, or None"
        )


def asks_to_stop(answer: object) -> bool:
    """Whether a callback that returned `answer` wants training to end: only if that is True itself.

    Examples
    --------
    >>> import numpy as np
    >>> [asks_to_stop(answer) for answer in (True, np.True_, None, 1)]
    [True, True, False, False]
    """
    return isinstance(answer, bool | np.bool_) and bool(answer)


@dataclass(frozen=True, eq=False)
class Result:
    """A trained network with its certificate.

    Attributes
    ----------
    network : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        Best network found. It need not have the fewest neurons, see :func:`~convexrelu.optimal_set.minimal`.
    certificate : Certificate
        Its gap.
    status : Status
        How training ended.
    history : list of Round
        One entry per computed certificate.
    n_iter : int
        Number of finite programs solved.
    solver_status : Status
        Status of the last one; ``CONVERGED`` if none was needed.
    problem : TrainingProblem or None
        What was trained, with its data.
    dual : array or None
        The best dual point that training met, on the samples of ``problem.condensed()``, where it has kept one.
    """

    network: TwoLayerNetwork | GatedNetwork | ThresholdNetwork
    certificate: Certificate
    status: Status
    history: list[Round] = field(default_factory=list, repr=False)
    n_iter: int = 0
    solver_status: Status = Status.CONVERGED
    problem: TrainingProblem | None = field(default=None, repr=False)
    dual: Array | None = field(default=None, repr=False)

    def save_proof(self, path: str | os.PathLike[str], **options: Any) -> float:
        """Write a proof of the gap to a file, which can be checked without this library.

        Parameters
        ----------
        path : str or path
            File to write.
        **options
            `relative_gap` and `max_boxes`, as for :func:`~convexrelu.certificates.save_proof`, which says what is
            covered. The default of `relative_gap` is a little more than the gap of the certificate.

        Returns
        -------
        float
            The relative gap that is proved.

        Examples
        --------
        >>> import numpy as np, os, tempfile
        >>> from convexrelu import TrainingProblem, train
        >>> problem = TrainingProblem(np.array([[-1.0], [0.0], [1.0]]), np.array([1.0, 0.0, 1.0]), alpha=0.01)
        >>> result = train(problem, random_state=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     gap = result.save_proof(os.path.join(folder, "tent.proof"))
        >>> gap < 2e-3
        True
        """
        if self.problem is None:
            raise ValueError("this result does not know its problem; use certificates.save_proof")
        options.setdefault("relative_gap", gap_to_prove(self.certificate))
        return save_proof(path, self.problem, self.network, dual=self.dual, **options)

    def report(self, path: str | os.PathLike[str], X: Any = None, y: Any = None) -> None:
        """Write a report of the fit to one HTML file, see :func:`convexrelu.report.write_report`.

        Parameters
        ----------
        path : str or path
            File to write.
        X, y : arrays, optional
            Data on which importances and partial dependence are computed.
        """
        room_above("report").write_report(self, path, X, y)

    def certified(self, certificate: Certificate, tol: float, **changes: Any) -> Self:
        """The same with another certificate, and with the status that goes with it.

        Parameters
        ----------
        certificate : Certificate
            Of the network that the result then has.
        tol : float
            Relative gap at which training counts as converged.
        **changes
            Other fields that change, such as the network.

        Examples
        --------
        >>> from convexrelu.networks.two_layer import TwoLayerNetwork
        >>> loose = Certificate(1.0, 0.9, "global", "cells", True)
        >>> result = Result(TwoLayerNetwork.constant(1), loose, Status.STALLED)
        >>> result.certified(loose.strengthened(0.9999), tol=1e-3).status.name
        'CONVERGED'
        """
        status = changes.pop("status", self.status)
        gap, is_proof = certificate.relative_gap, certificate.is_proof
        status = status.beside(gap, tol, is_proof=is_proof)
        return replace(self, certificate=certificate, status=status, **changes)

    def _repr_html_(self) -> str:
        seconds = [entry.seconds for entry in self.history]
        return fit_html(self.certificate, self.network.width, seconds, self.status)

    def __str__(self) -> str:
        return f"{self.certificate}\n{self.network}\n{self.status.name}: {self.status.value}"

    @classmethod
    def of_one_program(
        cls,
        network: TwoLayerNetwork | GatedNetwork | ThresholdNetwork,
        certificate: Certificate,
        solver_status: Status,
        *,
        tol: float,
        seconds: float,
        n_blocks: int,
        progress: Progress | None = None,
        interrupted: bool = False,
        dual: Array | None = None,
    ) -> Self:
        """Result of training by one finite program; `progress` is called with its only round.

        Parameters
        ----------
        network, certificate, solver_status
            Outcome of the program.
        tol : float
            Relative gap at which training counts as converged.
        seconds : float
            Time taken.
        n_blocks : int
            Blocks of the program.
        progress : callable, optional
            Called once, with the only round. If it returns True, a gap above `tol` counts as wanted.
        interrupted : bool
            Whether training was interrupted after the program had been solved.
        dual : array, optional
            The dual point behind the certificate.
        """
        entry = Round(
            seconds=seconds,
            objective=certificate.objective,
            lower_bound=certificate.lower_bound,
            relative_gap=certificate.relative_gap,
            is_proof=certificate.is_proof,
            width=network.width,
            n_blocks=n_blocks,
            n_cuts=0,
            violation=certificate.violation,
            solver_status=solver_status.name,
        )
        visible = replace(entry, network=network, certificate=certificate)
        answer = None if progress is None else progress(visible)
        # A solver that reports success although the gap is open was not accurate enough.
        reason = Status.INACCURATE if solver_status is Status.CONVERGED else solver_status
        status = Status.CONVERGED if certificate.relative_gap <= tol else reason
        if asks_to_stop(answer) and status is not Status.CONVERGED:
            status = Status.STOPPED
        if interrupted:
            status = Status.INTERRUPTED
        return cls(network, certificate, status, [entry], 1, solver_status, dual=dual)
