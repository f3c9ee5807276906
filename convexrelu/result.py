"""What training returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu.certificate import Certificate
from convexrelu.gated_network import GatedNetwork
from convexrelu.network import TwoLayerNetwork
from convexrelu.status import Status
from convexrelu.threshold_network import ThresholdNetwork

__all__ = ["Blocks", "ProgrammeSolution", "Result", "Round"]

Array = NDArray[np.float64]

_DECIMALS = 6


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of a programme: patterns, each with a direction of its outer weights.

    Attributes
    ----------
    masks : boolean array of shape (B, n)
    signs : array of shape (B,) or (B, K)
        Signs for one output, unit vectors for several.
    directions : array of shape (B, d̃), optional
        A direction in the cone of every pattern, where an oracle found it, and zero elsewhere.
    """

    masks: NDArray[np.bool_]
    signs: Array
    directions: Array | None = None

    @classmethod
    def none(cls, n_samples: int, n_outputs: int = 1) -> Blocks:
        """No blocks."""
        signs = np.zeros(0) if n_outputs == 1 else np.zeros((0, n_outputs))
        return cls(np.zeros((0, n_samples), dtype=bool), signs)

    @classmethod
    def both_signs(cls, masks: NDArray[np.bool_]) -> Blocks:
        """Every pattern with either sign."""
        return cls(np.vstack([masks, masks]), np.repeat([1.0, -1.0], len(masks)))

    def keys(self) -> list[bytes]:
        """One hashable key a block, equal for equal blocks."""
        if self.signs.ndim == 1:
            packed = np.packbits(np.column_stack([self.masks, self.signs > 0]), axis=1)
            return [row.tobytes() for row in packed]
        # Directions that differ by less than this are one; + 0.0 turns -0.0 into 0.0.
        rounded = np.round(self.signs, _DECIMALS) + 0.0
        pairs = zip(np.packbits(self.masks, axis=1), rounded, strict=True)
        return [mask.tobytes() + outer.tobytes() for mask, outer in pairs]

    def select(self, index: ArrayLike) -> Blocks:
        """The blocks at these positions."""
        index = np.asarray(index, dtype=np.intp)
        directions = None if self.directions is None else self.directions[index]
        return Blocks(self.masks[index], self.signs[index], directions)

    def join(self, other: Blocks) -> Blocks:
        """These blocks, then the others."""
        directions = other.directions
        if directions is not None:
            own = self.directions
            own = np.zeros((len(self), directions.shape[1])) if own is None else own
            directions = np.vstack([own, directions])
        return Blocks(
            np.vstack([self.masks, other.masks]),
            np.concatenate([self.signs, other.signs]),
            directions,
        )

    def __len__(self) -> int:
        return len(self.masks)


@dataclass(frozen=True, eq=False)
class ProgrammeSolution:
    """Solution of a finite programme.

    Attributes
    ----------
    blocks : array of shape (B, d̃)
        ``u_i``, one a block; zeros if the solver returned nothing.
    intercept : float or array of shape (K,)
        ``c``.
    outputs : array of shape (n,) or (n, K)
        ``f(u) + c`` on the training data, patterns applied as masks.
    objective : float
        Optimal value as the solver reports it; ``nan`` if it returned nothing.
    status : Status
        How the solver ended.
    accuracy : float
        Relative gap that was asked for, where blocks that should be zero are only nearly so; 0 where they
        are zero.
    seconds : float
        Wall time of the call, canonicalisation included.
    dual : array of shape (n,) or (n, K), optional
        Dual point of the solver, where it cannot be taken from the outputs: losses with kinks.
    skip_weights : array of shape (K, d), optional
        Of the skip connection, where there is one.
    moved : Blocks, optional
        The blocks that the solution is in, where the solver changed patterns.
    """

    blocks: Array
    intercept: Any
    outputs: Array
    objective: float
    status: Status
    accuracy: float
    seconds: float
    dual: Array | None = None
    skip_weights: Array | None = None
    moved: Blocks | None = None

    @property
    def usable(self) -> bool:
        """Whether there is a point to go on with, accurate or not."""
        return bool(np.isfinite(self.objective))


@dataclass(frozen=True)
class Round:
    """One row of the history.

    Attributes
    ----------
    seconds : float
        Since the start of training.
    objective, lower_bound, relative_gap, is_proof
        Of the best network so far; see :class:`~convexrelu.certificate.Certificate`.
    width : int
        Its neurons.
    n_blocks : int
        Blocks in the master programme.
    n_cuts : int
        Blocks that this round adds.
    violation : float
        ``M̂/alpha − 1``.
    solver_status : str
        How the master that led to this round ended, empty for the first.
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
        Finite programmes solved.
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
    def of_one_programme(
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
        """The result of training that is one finite programme, which `progress` is told of.

        Parameters
        ----------
        network, certificate, solver_status
            What came of it.
        tol : float
            Relative gap that counts as converged.
        seconds : float
            What it took.
        n_blocks : int
            Blocks of the programme.
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
