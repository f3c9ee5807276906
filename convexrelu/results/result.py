"""Result of a training, with its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from convexrelu.certificates.certificate import Certificate
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.results.status import Status

__all__ = ["Result", "Round"]


@dataclass(frozen=True)
class Round:
    """One row of the history.

    Attributes
    ----------
    seconds : float
        Since the start of training.
    objective, lower_bound, relative_gap, is_proof
        Of the best network so far; see :class:`~convexrelu.certificates.Certificate`.
    width : int
        Its neurons.
    n_blocks : int
        Blocks in the program.
    n_cuts : int
        Blocks that this round adds.
    violation : float
        ``M̂/alpha − 1``.
    solver_status : str
        How the solver that led to this round ended, empty for the first.
    network : TwoLayerNetwork or GatedNetwork, optional
        The best network so far, for ``progress`` to look at. A history has none: its networks would outweigh the
        result. Nor are there any of thresholds, whose gates are found at the end.
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
    network: TwoLayerNetwork | GatedNetwork | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class Result:
    """A trained network with its certificate.

    Attributes
    ----------
    network : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        Best network found.
    certificate : Certificate
        Its gap.
    status : Status
        How training ended.
    history : list of Round
        One entry for every certificate that was computed.
    n_iter : int
        Finite programs solved.
    solver_status : Status
        How the last of them ended; ``CONVERGED`` if none was needed.
    """

    network: TwoLayerNetwork | GatedNetwork | ThresholdNetwork
    certificate: Certificate
    status: Status
    history: list[Round] = field(default_factory=list)
    n_iter: int = 0
    solver_status: Status = Status.CONVERGED

    @classmethod
    def of_one_program(
        cls,
        network: TwoLayerNetwork | GatedNetwork,
        certificate: Certificate,
        solver_status: Status,
        *,
        tol: float,
        seconds: float,
        n_blocks: int,
        progress: Callable[[Round], None] | None = None,
    ) -> Self:
        """The result of training that is one finite program, which `progress` is told of.

        Parameters
        ----------
        network, certificate, solver_status
            What came of it.
        tol : float
            Relative gap that counts as converged.
        seconds : float
            What it took.
        n_blocks : int
            Blocks of the program.
        progress : callable, optional
            Called with the only round.
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
        if progress is not None:
            progress(replace(entry, network=network))
        # A solver that is content with itself although the gap is open was not accurate enough for it.
        reason = Status.INACCURATE if solver_status is Status.CONVERGED else solver_status
        status = Status.CONVERGED if certificate.relative_gap <= tol else reason
        return cls(network, certificate, status, [entry], 1, solver_status)
