"""Non-convex training: the network that cutting planes start from, and networks with neurons added.

Ordinary weight-decayed training, by L-BFGS on inner and outer weights, after Adam on mini-batches where samples are
many. It proves nothing, and need not: the patterns of its neurons start the convex programs.

Neurons of a good network bend exactly at samples, where the objective has kinks that stop gradient
methods early. So the kinks are smoothed first, over a width that shrinks from stage to stage, see
:mod:`~convexrelu.solvers.nonconvex.rounded_objective`. The value then differs little from the objective,
and the network that is returned is judged by the objective itself.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.optimize import Bounds, OptimizeResult, minimize

from convexrelu._utils.norms import sizes
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import (
    with_best_intercept,
    with_best_intercept_and_objective,
)
from convexrelu.solvers.nonconvex.interrupted import Reached, handing_over
from convexrelu.solvers.nonconvex.lbfgs import lbfgs
from convexrelu.solvers.nonconvex.minibatches import minibatch_descent
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective
from convexrelu.solvers.nonconvex.sketches import Look, Sketches

__all__ = ["FEW_SAMPLES", "LAST_WIDTHS", "begun", "continued", "descend", "descents", "polish"]

Stages = tuple[tuple[float, int, float], ...]

# Widths of the smoothing, largest number of L-BFGS steps, and the relative drop of the value in ten steps that ends
# them. Losses with kinks move slowly; with several outputs few neurons bend at the same place, and wide smoothing
# only takes time.
_STAGES = (
    (0.1, 300, 1e-3),
    (0.03, 300, 1e-3),
    (0.01, 300, 1e-3),
    (0.003, 300, 1e-4),
    (0.001, 300, 1e-4),
)
# Where the penalty is at least that, in units in which data have size one, more steps of the widest smoothing take a
# third longer to one per cent above the optimum, and end no lower. With smaller ones they do (diabetes, servo).
_STAGES_OF_LARGE_PENALTIES = ((0.1, 300, 1e-2), *_STAGES[1:])
_LARGE_PENALTY = 0.002
# The end where programs of least squares follow: as long as descent lowers the objective faster than they do, and with
# kinks that are back at samples. At alpha = 0.0001, 300 steps are far too few (stock: 4 % higher than after 1800).
_LAST_BEFORE_PROGRAMS = ((0.003, 1800, 3e-5), (0.0003, 300, 3e-5))
_STAGES_OF_KINKS = (
    (0.3, 300, 1e-4),
    (0.1, 300, 1e-4),
    (0.03, 300, 1e-4),
    (0.01, 300, 1e-4),
    (0.003, 300, 1e-5),
    (0.001, 300, 1e-5),
)
_STAGES_OF_MANY = ((0.03, 900, 3e-5), (0.01, 600, 3e-5), (0.003, 600, 3e-5))
LAST_WIDTHS, _LAST_STEPS = (0.003, 0.001), 300
_WINDOW = 10  # steps over which to measure the drop: L-BFGS takes small steps between large ones
# Pairs of L-BFGS. With several outputs and thus many weights, ten take a sixth off the time to the same objective
# (digits, three penalties), and six lose accuracy.
_MEMORY, _MEMORY_OF_MANY = 20, 10
# Of the objective, in units of the precision of its products: their errors partly cancel in sums.
_ROUNDING = 0.1
# L-BFGS takes up to so many samples from the beginning: with 3000, it ends lower than mini-batches in as much time,
# with 10,000 higher (twenty features, alpha = 0.01 and 0.001).
FEW_SAMPLES = 5_000


def descend(
    problem: TrainingProblem, random: np.random.RandomState, deadline: float = math.inf
) -> TwoLayerNetwork:
    """Train a network of at most three hundred neurons from random weights: the last one of :func:`descents`.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> network = descend(problem, np.random.RandomState(0))
    >>> problem.objective(network) < 0.1 * problem.objective(problem.zero_network())
    True
    """
    *_, last = descents(problem, random, deadline)
    return last


def descents(
    problem: TrainingProblem,
    random: np.random.RandomState,
    deadline: float = math.inf,
    device: str = "cpu",
    look: Look | None = None,
    *,
    rounds_follow: bool = False,
) -> Iterator[TwoLayerNetwork]:
    """Networks of some hundred neurons, each trained from the one before, the first from random weights.

    Up to 5000 samples, by L-BFGS with less and less smoothing. With more, on mini-batches, and then by L-BFGS on all
    samples, which is slower: the first network is there early.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    random : RandomState
        Draws the first weights, and the batches.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.
    device : str
        Torch device of L-BFGS on many samples; ``"cpu"`` for NumPy.
    look : callable, optional
        Called with networks on the way of L-BFGS from random weights; ends it by True.
    rounds_follow : bool
        Whether cutting planes follow, which begin nearer to the optimum with up to 600 neurons where the loss is
        quadratic; otherwise there are at most 300.

    Yields
    ------
    TwoLayerNetwork
        Balanced, with the best intercept of `problem`. Without neurons if a bound shows that none helps, as for
        constant targets.
    """
    if _is_constant(problem):
        yield problem.zero_network()
        return
    few = problem.n_samples <= FEW_SAMPLES
    # Programs of other losses take longer the more blocks there are.
    many = rounds_follow and few and problem.loss.is_least_squares
    objective = RoundedObjective(problem, device=device, rounds_follow=many)
    z = objective.random_point(random)
    if few:
        begin = begun(objective, z, deadline, look, programs_follow=many)
        yield with_best_intercept(problem, begin)
        return
    z = minibatch_descent(objective, z, random, deadline)
    network = with_best_intercept(problem, objective.network(z))
    yield network
    if time.perf_counter() < deadline:
        yield polish(problem, network, deadline, device=device)


def polish(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    deadline: float = math.inf,
    *,
    drop: float = 1e-5,
    widths: Sequence[float] = LAST_WIDTHS,
    most_steps: int = _LAST_STEPS,
    device: str = "cpu",
) -> TwoLayerNetwork:
    """Continue training a given network, with kinks that are hardly smoothed, and remove neurons that vanish.

    Parameters
    ----------
    problem : TrainingProblem
        All of its samples are used.
    network : TwoLayerNetwork
        Starting point; the result has no larger objective.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.
    drop : float
        Relative drop of the objective in ten steps at which to stop.
    widths : sequence of float
        Widths of the smoothing, one after the other.
    most_steps : int
        Number of steps at a width after which to stop.
    device : str
        Torch device for many samples; ``"cpu"`` for NumPy.

    Returns
    -------
    TwoLayerNetwork
        Balanced, with the best intercept.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> start = TwoLayerNetwork([[1.0], [-1.0]], [0.1, 0.0], [[0.5, 0.7]], [0.0])
    >>> problem.objective(polish(problem, start)) < 0.1 * problem.objective(start)
    True
    """
    objective = RoundedObjective(problem, network.width, device=device)
    start, before = with_best_intercept_and_objective(problem, problem.balanced(network))
    found, after = with_best_intercept_and_objective(
        problem, continued(objective, start, deadline, drop, widths, most_steps)
    )
    return start if before < after else found


def begun(
    objective: RoundedObjective,
    z: Array,
    deadline: float = math.inf,
    look: Look | None = None,
    *,
    programs_follow: bool = False,
) -> TwoLayerNetwork:
    """The end of descent from a random point, with less and less smoothing; `look` is shown networks on the way.

    It is longer where programs of least squares follow.
    """
    stages = _stages_for(objective)
    if programs_follow:
        stages = (*stages[: -len(_LAST_BEFORE_PROGRAMS)], *_LAST_BEFORE_PROGRAMS)
    return objective.network(_descended(objective, z, stages, deadline, look))


def continued(
    objective: RoundedObjective,
    network: TwoLayerNetwork,
    deadline: float = math.inf,
    drop: float = 1e-5,
    widths: Sequence[float] = LAST_WIDTHS,
    most_steps: int = _LAST_STEPS,
) -> TwoLayerNetwork:
    """The end of descent from a network, with kinks that are hardly smoothed."""
    stages = tuple((width, most_steps, drop) for width in widths)
    return objective.network(_descended(objective, objective.point(network), stages, deadline))


def _is_constant(problem: TrainingProblem) -> bool:
    """Whether the best constant is optimal, by the simplest bound, ``M(v) ≤ Σ_i ‖v_i‖ ‖x̃_i‖ ≤ alpha``."""
    v = problem.dual_point(problem.no_outputs())
    return float(sizes(v) @ problem.lengths) <= problem.alpha


def _stages_for(objective: RoundedObjective) -> Stages:
    if objective.problem.n_outputs > 1:
        return _STAGES_OF_MANY
    if not objective.problem.loss.smooth:
        return _STAGES_OF_KINKS
    return _STAGES_OF_LARGE_PENALTIES if objective.alpha >= _LARGE_PENALTY else _STAGES


def _descended(
    objective: RoundedObjective,
    z: Array,
    stages: Stages,
    deadline: float,
    look: Look | None = None,
) -> Array:
    """The point after L-BFGS at one width after the other, balanced."""
    sketches = Sketches(objective, look)
    with handing_over(objective) as reached, one_blas_thread():
        for width, steps, drop in stages:
            if objective.now() > deadline or sketches.is_to_end:
                break
            ends_at = _ending(objective, width, drop, deadline, reached, sketches)
            z = objective.balanced(_minimised(objective, z, width, steps, ends_at))
    return z


def _minimised(
    objective: RoundedObjective,
    z: Array,
    width: float,
    steps: int,
    ends_at: Callable[[Array, float], bool],
) -> Array:
    """The point after L-BFGS at one width; overflows of trials that go too far are no steps."""
    memory = _MEMORY if objective.problem.n_outputs == 1 else _MEMORY_OF_MANY
    bounds = objective.bounds(z)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if bounds is not None:
            return _minimised_within(bounds, objective, z, width, memory, steps, ends_at)
        return lbfgs(
            lambda z: objective(z, width),
            z,
            memory=memory,
            most_steps=steps,
            ends_at=ends_at,
            rounding=_ROUNDING * float(np.finfo(objective.rows.dtype).eps),
        )


def _minimised_within(
    bounds: Bounds,
    objective: RoundedObjective,
    z: Array,
    width: float,
    memory: int,
    steps: int,
    ends_at: Callable[[Array, float], bool],
) -> Array:
    """The point after SciPy's L-BFGS-B, which keeps bounds."""
    gradient = z

    # SciPy asks for a gradient right after the value at the same point. To be sure of that, with jac=True, it compares
    # and copies points, a tenth of the time with few samples.
    def value_at(z: Array) -> float:
        nonlocal gradient
        value, gradient = objective(z, width)
        return value

    def callback(intermediate_result: OptimizeResult) -> None:
        if ends_at(intermediate_result.x.copy(), intermediate_result.fun):
            raise StopIteration

    # SciPy also makes an inverse Hessian at the end, which may overflow.
    return minimize(
        value_at,
        z,
        jac=lambda _: gradient,
        method="L-BFGS-B",
        bounds=bounds,
        callback=callback,
        options={"maxcor": memory, "maxiter": steps, "ftol": 0.0, "gtol": 0.0},
    ).x


def _ending(
    objective: RoundedObjective,
    width: float,
    drop: float,
    deadline: float,
    reached: Reached,
    sketches: Sketches,
) -> Callable[[Array, float], bool]:
    """Whether to end a minimisation at a point: in time, or when the relative drop of the value in ten steps is small.

    It notes the points that are reached, and shows some.
    """
    values: deque[float] = deque(maxlen=_WINDOW + 1)

    def ends_at(z: Array, value: float) -> bool:
        values.append(value)
        reached.point = z
        idle = len(values) > _WINDOW and values[0] - values[-1] <= drop * abs(values[-1])
        return sketches.after(z, value, width) or idle or objective.now() > deadline

    return ends_at
