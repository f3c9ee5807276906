"""Declaration of what a program solver supports, and the one place that checks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convexrelu._utils.arguments import shown
from convexrelu.losses import Loss, Multinomial, SeparableLoss
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["NATIVE_SUPPORT", "Support", "check_support", "support_of", "unsupported"]

# Names of sets of losses.
_CONTAINS: dict[str, Callable[[Loss], bool]] = {
    "all": lambda loss: True,
    "none": lambda loss: False,
    "least_squares": lambda loss: loss.is_least_squares,
    "not_least_squares": lambda loss: not loss.is_least_squares,
    "smooth": lambda loss: loss.smooth,
    "separable": lambda loss: isinstance(loss, SeparableLoss | Multinomial),
    "cvxpy": lambda loss: loss.has_expression,
    "cvxpy_uncoupled": lambda loss: loss.has_expression and not loss.couples_outputs,
}


@dataclass(frozen=True)
class Support:
    """Problems that a solver supports; by default all.

    Attributes
    ----------
    relu, gated : str
        Losses of ReLU and of gated programs: ``"all"``, ``"none"``, ``"least_squares"``, ``"not_least_squares"``,
        ``"smooth"`` (with a gradient), ``"separable"`` (:class:`~convexrelu.losses.SeparableLoss`, and the multinomial
        one), ``"cvxpy"`` (with an expression), ``"cvxpy_uncoupled"`` (and a sum over outputs).
    one_output, several_outputs : bool
        Whether one output, and whether several, are supported.
    skip : bool
        Whether skip connections are supported.
    fixed_patterns : bool
        Whether blocks keep the given patterns.
    instead : str
        Alternative to name in the message of :func:`check_support`.

    Examples
    --------
    >>> from convexrelu import TrainingProblem
    >>> problem = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1, loss="absolute_error")
    >>> Support(relu="smooth").lacks(problem)
    "loss='absolute_error'"
    >>> Support(relu="all").lacks(problem)
    ''
    """

    relu: str = "all"
    gated: str = "all"
    one_output: bool = True
    several_outputs: bool = True
    skip: bool = True
    fixed_patterns: bool = True
    instead: str = "solver='auto'"

    def __post_init__(self) -> None:
        for name in ("relu", "gated"):
            value = getattr(self, name)
            if value not in _CONTAINS:
                raise ValueError(
                    f"{name}={shown(value)} is not known; available: {', '.join(map(repr, _CONTAINS))}"
                )

    def lacks(
        self, problem: TrainingProblem, *, gated: bool = False, fixed_patterns: bool = False
    ) -> str:
        """The unsupported feature of a problem; empty if there is none."""
        losses = self.gated if gated else self.relu
        if losses == "none":
            return "gated programs" if gated else "ReLU programs"
        if not _CONTAINS[losses](problem.loss):
            return f"loss={problem.loss.name!r}" + (" with fixed gates" if gated else "")
        if problem.skip and not self.skip:
            return "skip connections"
        if problem.n_outputs == 1 and not self.one_output:
            return "single outputs"
        if problem.n_outputs > 1 and not self.several_outputs:
            return "several outputs"
        if fixed_patterns and not self.fixed_patterns:
            return "fixed patterns, since it moves them"
        return ""


# By method of :class:`~convexrelu.solvers.native.solver.NativeSolver`; here, it is known without importing torch.
NATIVE_SUPPORT = {
    "auto": Support("separable", "separable", skip=False, instead="solver='cvxpy:CLARABEL'"),
    "newton": Support("least_squares", "least_squares", skip=False),
    "interior_point": Support("separable", "not_least_squares", skip=False),
    "fista": Support("none", "least_squares", skip=False),
}


def support_of(solver: Any) -> Support:
    """The declaration in a solver's attribute ``support``; everything if there is none."""
    return getattr(solver, "support", Support())


def check_support(
    solver: Any, problem: TrainingProblem, *, gated: bool = False, fixed_patterns: bool = False
) -> None:
    """Raise an error for a problem that a solver does not support.

    Parameters
    ----------
    solver : object
        With attributes ``name`` and ``support``, if it has them.
    problem : TrainingProblem
    gated : bool
        Whether to solve gated programs, or ReLU programs.
    fixed_patterns : bool
        Whether patterns must not change.

    Raises
    ------
    ValueError
        With a message that says what is not supported, and what to use.
    """
    lacking = support_of(solver).lacks(problem, gated=gated, fixed_patterns=fixed_patterns)
    if lacking:
        raise unsupported(solver, lacking)


def unsupported(solver: Any, lacking: str) -> ValueError:
    """The error that a solver does not support a feature, and what to use."""
    name = getattr(solver, "name", type(solver).__name__)
    return ValueError(
        f"solver={name!r} does not support {lacking}; use {support_of(solver).instead}"
    )
