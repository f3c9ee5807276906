"""Status of a solve: one code and one sentence for every solver."""

from __future__ import annotations

from enum import Enum

__all__ = ["AlphaWarning", "SolverWarning", "Status"]


class AlphaWarning(UserWarning):
    """The penalty is far outside the useful range of the data, as happens where targets are not standardised."""


class SolverWarning(UserWarning):
    """A solver did not converge; its result was checked and is reported with a valid gap."""


class Status(Enum):
    """Result codes. The value is a sentence for people; the name is for code."""

    CONVERGED = "the gap is within the tolerance"
    INACCURATE = "the solver could not reach its own tolerance"
    INFEASIBLE = "the solver took the program for infeasible or unbounded"
    USER_LIMIT = "the solver stopped at a limit on time or iterations"
    FAILED = "the solver failed"
    MAX_ITER = "the limit max_iter on rounds was reached"
    TIME_LIMIT = "the limit time_limit was reached"
    SETTLED = "the objective hardly falls any more, and effort='predict' asks for no smaller gap"
    STALLED = "more patterns hardly improve the objective, but the gap is above the tolerance"
    INTERPOLATES = "alpha is far too small: the network fits the targets closely, and the objective hardly falls"
    STOPPED = "a callback ended training"
    INTERRUPTED = "interrupted from the keyboard"

    def beside(self, relative_gap: float, tol: float, *, is_proof: bool) -> Status:
        """The status that goes with a gap which was found after it had been set.

        A proved gap within the tolerance is convergence, however training ended, unless someone ended it; a larger one
        is none. Estimates within the tolerance do not count: the loop that made them knows how well they are founded.

        Parameters
        ----------
        relative_gap : float
            Of the certificate that is reported.
        tol : float
            Relative gap at which training counts as converged.
        is_proof : bool
            Whether the gap is proved.

        Examples
        --------
        >>> Status.STALLED.beside(1e-9, 1e-7, is_proof=True).name
        'CONVERGED'
        >>> Status.CONVERGED.beside(1e-3, 1e-7, is_proof=True).name
        'STALLED'
        >>> Status.STOPPED.beside(1e-9, 1e-7, is_proof=True).name
        'STOPPED'
        """
        if self in (Status.STOPPED, Status.INTERRUPTED):
            return self
        if relative_gap <= tol:
            return Status.CONVERGED if is_proof else self
        return Status.STALLED if self is Status.CONVERGED else self

    def __reduce__(self) -> tuple[type[Status], tuple[str]]:
        """A member by its value, also for skops, which does not ask ``__reduce_ex__``."""
        return type(self), (self.value,)

    @classmethod
    def of_cvxpy(cls, status: str | None) -> Status:
        """Translate the status string of a cvxpy problem."""
        match status:
            case "optimal":
                return cls.CONVERGED
            case "optimal_inaccurate":
                return cls.INACCURATE
            case "user_limit":
                return cls.USER_LIMIT
            case None | "solver_error":
                return cls.FAILED
            case _:  # infeasible, unbounded, and their inaccurate forms
                return cls.INFEASIBLE
