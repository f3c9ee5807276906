"""SGD with label noise, and the regulariser that it implies."""

from __future__ import annotations

import numbers

import numpy as np

from convexrelu._utils.arguments import check_number, check_type
from convexrelu._utils.norms import norms
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import check_fits
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["LabelNoise", "implicit_regulariser"]


class LabelNoise:
    """Targets with fresh Gaussian noise in every step; a schedule for :func:`~convexrelu.baselines.descend`.

    Parameters
    ----------
    scale : float
        Standard deviation of the noise.
    random_state : int, RandomState or None
        Seed of the noise.

    References
    ----------
    Blanc, Gupta, Valiant & Valiant 2020, "Implicit regularization for deep neural networks driven by an
    Ornstein-Uhlenbeck like process", COLT.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.baselines import LabelNoise
    >>> noisy, weights = LabelNoise(0.1, random_state=0)(0, np.zeros(2), np.full(2, 0.5))
    >>> noisy.round(3), weights
    (array([0.176, 0.04 ]), array([0.5, 0.5]))
    """

    def __init__(
        self, scale: float, *, random_state: int | np.random.RandomState | None = None
    ) -> None:
        check_number("scale", scale, numbers.Real, 0)
        self.scale = float(scale)
        self._random = checked_random_state(random_state)

    def __call__(self, step: int, y: Array, weights: Array) -> tuple[Array, Array]:
        """Noisy targets, and weights, which stay."""
        return y + self.scale * self._random.standard_normal(y.shape), weights


def implicit_regulariser(
    network: TwoLayerNetwork, problem: TrainingProblem, *, rescaled: bool = False
) -> float:
    r"""Mean squared gradient of the outputs, ``Σ_i s_i ‖∇f(x_i)‖²``, which SGD with label noise makes small.

    Blanc, Gupta, Valiant & Valiant (2020) show that near a network without training error, noise in the labels drives
    SGD along the networks without training error to smaller values of it. For two layers it is a sum over neurons::

        Σ_j  ‖D_j X̃ w̃_j‖² + a_j² Σ_{active} ‖x̃_i‖²    ≥    Σ_j  2 ‖D_j X̃ v_j‖ · √(Σ_{active} ‖x̃_i‖²),   v_j = a_j w̃_j

    with the sample weights ``s_i`` in all sums and norms. The right-hand side is attained by rescaling the neurons, and
    is convex in ``v_j`` for a given pattern ``D_j``: see
    :func:`~convexrelu.baselines.label_noise_program`. The intercept, whose part is constant, is
    left out.

    Parameters
    ----------
    network : TwoLayerNetwork
        With one output, of ReLU units.
    problem : TrainingProblem
        For its samples and their weights.
    rescaled : bool
        Whether to take the best scales of the neurons, the right-hand side.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.baselines import implicit_regulariser
    >>> problem = TrainingProblem([[1.0]], [1.0], 0.1, hidden_bias=False, fit_intercept=False)
    >>> network = TwoLayerNetwork([[2.0]], [0.0], [[0.5]], [0.0])
    >>> implicit_regulariser(network, problem), implicit_regulariser(network, problem, rescaled=True)
    (4.25, 2.0)
    """
    check_supported(problem)
    check_fits(network, problem)
    root = np.sqrt(problem.weights)
    hidden = network.hidden_features(problem.X)
    outputs = norms((hidden * root[:, None]).T)
    inputs = norms((hidden > 0).T * root * norms(problem.design))
    outer = np.abs(network.output_weights[0])
    if rescaled:
        return float(2 * (outputs * inputs) @ outer)
    return float(outputs @ outputs + (outer * inputs) @ (outer * inputs))


def check_supported(problem: TrainingProblem) -> None:
    """Raise a ValueError for problems with several outputs, other units than ReLU, free biases or a skip connection."""
    check_type("problem", problem, TrainingProblem)
    if problem.n_outputs > 1 or problem.slope != 0 or problem.free_bias or problem.skip:
        raise ValueError(
            "problem: the regulariser of label noise needs one output, activation='relu', no skip connection, and "
            "hidden_bias=True or False"
        )
