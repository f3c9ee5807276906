"""Training a network of given width by a torch optimiser, with a history of the objective."""

from __future__ import annotations

import numbers
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from convexrelu._utils.arguments import check_callable, check_number, check_positive, check_type
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.baselines.gradient_only import GradientOnlyLineSearch
from convexrelu.baselines.path_sgd import PathSGD
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import check_fits
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["OPTIMISERS", "Descent", "DescentStep", "descend"]

Schedule = Callable[[int, Array, Array], tuple[Array, Array]]
Factory = Callable[[Iterable[Tensor]], torch.optim.Optimizer]

# Optimisers by name, with the learning rates that they have by default.
OPTIMISERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], float]] = {
    "sgd": (torch.optim.SGD, 0.1),
    "momentum": (lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9), 0.03),
    "adam": (torch.optim.Adam, 0.01),
    "path_sgd": (partial(PathSGD, damping=0.1), 0.03),
    "gradient_only": (GradientOnlyLineSearch, 0.01),
}


@dataclass(frozen=True)
class DescentStep:
    """Objective of the problem after some steps; the seconds are those of the steps alone."""

    step: int
    seconds: float
    objective: float


@dataclass(frozen=True, eq=False)
class Descent:
    """Result of :func:`descend`.

    Attributes
    ----------
    name : str
        Of the optimiser.
    network : TwoLayerNetwork
        After the last step.
    history : list of DescentStep
    """

    name: str
    network: TwoLayerNetwork
    history: list[DescentStep] = field(default_factory=list)

    @property
    def steps(self) -> Array:
        """Steps of the history, of shape (k,)."""
        return np.array([entry.step for entry in self.history])

    @property
    def seconds(self) -> Array:
        """Seconds of the history, of shape (k,)."""
        return np.array([entry.seconds for entry in self.history])

    @property
    def objectives(self) -> Array:
        """Objectives of the history, of shape (k,)."""
        return np.array([entry.objective for entry in self.history])


def descend(
    problem: TrainingProblem,
    width: int,
    optimiser: str | Factory = "adam",
    *,
    rate: float | None = None,
    steps: int = 1000,
    batch_size: int | None = None,
    alpha: float | None = None,
    schedule: Schedule | None = None,
    start: TwoLayerNetwork | None = None,
    every: int = 20,
    name: str | None = None,
    random_state: int | np.random.RandomState | None = None,
    progress: Callable[[DescentStep], None] | None = None,
) -> Descent:
    """Train a network on the regularised objective of a problem by gradient steps in float64.

    Parameters
    ----------
    problem : TrainingProblem
        Without a skip connection.
    width : int
        Number of hidden neurons; ignored with `start`.
    optimiser : str or callable
        One of ``"sgd"``, ``"momentum"`` (0.9), ``"adam"``, ``"path_sgd"`` (with damping, as weight decay makes neurons
        small) and ``"gradient_only"``, or a function of the
        parameters that makes a torch optimiser. Its ``step`` gets a closure.
    rate : float, optional
        Learning rate, for an optimiser that is named.
    steps : int
        Number of steps.
    batch_size : int, optional
        Samples in each step, drawn without replacement; all by default.
    alpha : float, optional
        Weight decay of the steps, zero included; by default that of the problem. The history is about the problem's.
    schedule : callable, optional
        Gets step, targets and sample weights, and returns those to take the step with: see
        :class:`~convexrelu.baselines.LabelNoise` and
        :class:`~convexrelu.baselines.DynamicalLoss`.
    start : TwoLayerNetwork, optional
        First weights; by default Gaussian, with standard deviation ``1/√d̃`` inside and ``1/√m`` outside.
    every : int
        Steps between entries of the history.
    name : str, optional
        Name of the result.
    random_state : int, RandomState or None
        Seed of first weights and batches.
    progress : callable, optional
        Called with every entry of the history.

    Returns
    -------
    Descent

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, certify
    >>> from convexrelu.baselines import descend
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), 0.01)
    >>> run = descend(problem, 20, "adam", steps=300, random_state=0)
    >>> run.history[-1].objective < run.history[0].objective
    True
    """
    for label, value, least in (("width", width, 1), ("steps", steps, 0), ("every", every, 1)):
        check_number(label, value, numbers.Integral, least)
    if batch_size is not None:
        check_number("batch_size", batch_size, numbers.Integral, 1)
    check_type("problem", problem, TrainingProblem)
    if alpha is not None:
        check_number("alpha", alpha, numbers.Real, 0)
    if schedule is not None:
        check_callable("schedule", schedule)
    if problem.skip:
        raise ValueError("problem: descend does not support a skip connection")
    if start is not None:
        check_fits(start, problem, "start")
    random = checked_random_state(random_state)
    module = _Module(problem, start or first_network(problem, width, random))
    stepper, label = _stepper(module, optimiser, rate)
    decay = problem.alpha if alpha is None else alpha
    run = Descent(name or label, module.network())
    seconds = 0.0
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            entry = DescentStep(step, seconds, problem.objective(module.network()))
            run.history.append(entry)
            if progress is not None:
                progress(entry)
        if step < steps:
            began = time.perf_counter()
            stepper.step(
                _closure(
                    module, stepper, decay, *_batch(problem, step, batch_size, schedule, random)
                )
            )
            seconds += time.perf_counter() - began
    return Descent(run.name, module.network(), run.history)


def first_network(
    problem: TrainingProblem, width: int, random: np.random.RandomState
) -> TwoLayerNetwork:
    """Gaussian weights with the best constant as intercept."""
    n_inputs = problem.n_features + bool(problem.hidden_bias)
    inner = random.standard_normal((width, n_inputs)) / np.sqrt(n_inputs)
    outer = random.standard_normal((problem.n_outputs, width)) / np.sqrt(width)
    bias = inner[:, -1] if problem.hidden_bias else np.zeros(width)
    return TwoLayerNetwork(
        inner[:, : problem.n_features],
        bias,
        outer,
        np.atleast_1d(problem.best_intercept(problem.no_outputs())),
        negative_slope=problem.slope,
    )


class _Module(torch.nn.Module):
    """The weights as parameters, in the order of ``Sequential(Linear, ReLU, Linear)``."""

    def __init__(self, problem: TrainingProblem, network: TwoLayerNetwork) -> None:
        super().__init__()
        self._problem = problem
        self._X = torch.tensor(np.asarray(problem.X, dtype=np.float64))
        arrays = (
            network.hidden_weights,
            network.hidden_bias,
            network.output_weights,
            network.output_bias,
        )
        moves = (True, bool(problem.hidden_bias), True, problem.fit_intercept)
        self.W, self.b, self.A, self.c = (
            torch.nn.Parameter(torch.tensor(array), requires_grad=moving)
            for array, moving in zip(arrays, moves, strict=True)
        )

    def forward(self, rows: Any) -> Tensor:
        seen = self._X[rows] @ self.W.T + self.b
        hidden = torch.nn.functional.leaky_relu(seen, self._problem.slope)
        outputs = hidden @ self.A.T + self.c
        return outputs[:, 0] if self._problem.n_outputs == 1 else outputs

    def penalty(self) -> Tensor:
        parts = [self.W, self.A] if self._problem.free_bias else [self.W, self.b, self.A]
        return 0.5 * torch.stack([part.square().sum() for part in parts]).sum()

    def network(self) -> TwoLayerNetwork:
        arrays = [p.detach().numpy().copy() for p in (self.W, self.b, self.A, self.c)]
        return TwoLayerNetwork(*arrays, negative_slope=self._problem.slope)


class _DataFit(torch.autograd.Function):
    """``Σ_i s_i ℓ(f_i, y_i)`` with a loss of this library."""

    @staticmethod
    def forward(
        ctx: Any, outputs: Tensor, problem: TrainingProblem, y: Array, weights: Array
    ) -> Tensor:
        f = outputs.detach().numpy()
        slopes = problem.loss.gradient(f, y)
        ctx.save_for_backward(torch.tensor((weights * slopes.T).T))
        return torch.tensor(float(weights @ problem.loss.value(f, y)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return gradients[0] * slopes, None, None, None


def _stepper(
    module: _Module, optimiser: str | Factory, rate: float | None
) -> tuple[torch.optim.Optimizer, str]:
    parameters = list(module.parameters())
    if not isinstance(optimiser, str):
        if rate is not None:
            raise ValueError(f"rate={rate!r} is for optimisers that are named; set it in your own")
        check_callable("optimiser", optimiser)
        stepper = optimiser(parameters)
        return stepper, type(stepper).__name__
    if optimiser not in OPTIMISERS:
        known = ", ".join(map(repr, OPTIMISERS))
        raise ValueError(f"optimiser={optimiser!r} is not known; available: {known}, or a callable")
    if rate is not None:
        check_positive("rate", rate)
    make, usual = OPTIMISERS[optimiser]
    return make(parameters, lr=usual if rate is None else rate), optimiser


def _batch(
    problem: TrainingProblem,
    step: int,
    size: int | None,
    schedule: Schedule | None,
    random: np.random.RandomState,
) -> tuple[Any, Array, Array]:
    """Rows of a step, their targets, and weights whose sum is on average that of all."""
    y, weights = problem.y, problem.weights
    if schedule is not None:
        y, weights = schedule(step, y, weights)
    if size is None or size >= len(y):
        return slice(None), y, weights
    rows = random.choice(len(y), size, replace=False)
    return rows, y[rows], weights[rows] * (len(y) / size)


def _closure(
    module: _Module,
    stepper: torch.optim.Optimizer,
    decay: float,
    rows: Any,
    y: Array,
    weights: Array,
) -> Callable[[], Any]:
    def closure() -> Any:
        stepper.zero_grad()
        value: Tensor = _DataFit.apply(module(rows), module._problem, y, weights)
        if decay:
            value = value + decay * module.penalty()
        value.backward()
        return value

    return closure
