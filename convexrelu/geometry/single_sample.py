"""Neurons active on one sample only: extreme points of the rectified ellipsoid along the coordinate axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.geometry.least_distance import least_distance
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["SingleSampleNeurons", "single_sample_neurons", "single_sample_start"]


@dataclass(frozen=True, eq=False)
class SingleSampleNeurons:
    """Neurons of unit length, each active on one sample.

    Attributes
    ----------
    samples : integer array of shape (k,)
        The samples that have such a neuron, ascending.
    weights : array of shape (k, d)
        Inner weights ``w``.
    biases : array of shape (k,)
        ``b``; zero without biases.
    values : array of shape (k,)
        ``relu(x_iᵀw + b)`` at the neuron's own sample, positive; it is zero at all others.
    """

    samples: NDArray[np.intp]
    weights: Array
    biases: Array
    values: Array


def single_sample_neurons(X: ArrayLike, *, hidden_bias: bool | str = "free") -> SingleSampleNeurons:
    r"""For every sample, the neuron that is active there and nowhere else, with the largest possible output.

    ::

        t_i = max  x_iᵀw + b   s.t.  x_jᵀw + b ≤ 0  for all j ≠ i,   ‖w‖ ≤ 1  (free bias) or ‖(w, b)‖ ≤ 1

    ``t_i e_i`` is the end of the spike of the rectified ellipsoid along the axis of sample ``i``.

    **Free biases** (Ergen & Pilanci 2021, on extreme points along the coordinate axes and convex hulls). The best ``b``
    is ``−max_{j≠i} x_jᵀw``. What remains is ``max_{‖w‖≤1} min_{j≠i} (x_i − x_j)ᵀw``, the distance of ``x_i`` from the
    convex hull of the other samples where that is positive. With ``p`` the projection of ``x_i`` on this hull::

        w = (x_i − p)/‖x_i − p‖,      b = −pᵀw,      t_i = ‖x_i − p‖

    Condition: ``x_i`` is not in the convex hull of the others, that is, it is a vertex of the hull of all samples
    and occurs once.

    **Penalised biases, or none.** Let ``C`` be the cone of all non-negative combinations of ``x̃_j``, ``j ≠ i``. By
    Moreau, ``max {x̃_iᵀu : u ∈ C°, ‖u‖ ≤ 1}`` over the polar cone ``C° = {u : x̃_jᵀu ≤ 0}`` is the length of the
    projection of ``x̃_i`` on it, which is the residual of the projection on ``C``::

        r = x̃_i − P_C(x̃_i),      (w, b) = r/‖r‖,      t_i = ‖r‖

    Condition: ``x̃_i`` is not in ``C``. With biases this is the same condition as above, as the last entry of all
    ``x̃`` is one: only lengths, not existence, depend on whether biases are penalised. Without biases, it concerns the
    directions of the samples: a sample has no such neuron if the others lie in no common half-space.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    hidden_bias : bool or "free"
        As for :class:`~convexrelu.TrainingProblem`.

    Returns
    -------
    SingleSampleNeurons
        The maximisers, in exact arithmetic. In floating point ``x_jᵀw + b ≤ 0`` holds up to rounding. Samples closer to
        the hull, or the cone, of the others than 1e-10 of the size of the data count as inside.

    Raises
    ------
    ValueError
        If `X` is not a finite array with two axes, or `hidden_bias` is something else.

    Notes
    -----
    ``n`` non-negative least-squares problems of ``n − 1`` unknowns.

    References
    ----------
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", JMLR 22; Lemma 7.

    Examples
    --------
    Each corner of the square has such a neuron, its middle has none.

    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [0.0, 2.0], [2.0, 2.0]])
    >>> neurons = single_sample_neurons(X)
    >>> neurons.samples, neurons.values.round(6)
    (array([0, 1, 3, 4]), array([1.414214, 1.414214, 1.414214, 1.414214]))
    >>> np.maximum(X @ neurons.weights[0] + neurons.biases[0], 0).round(6)
    array([1.414214, 0.      , 0.      , 0.      , 0.      ])
    """
    # Only the samples and biases of the problem matter.
    samples = finite_array("X", X)
    problem = TrainingProblem(samples, np.zeros(samples.shape[:1]), 1.0, hidden_bias=hidden_bias)
    return _neurons_of(problem)


def single_sample_start(problem: TrainingProblem) -> TwoLayerNetwork:
    """A network of single-sample neurons, as patterns for ``train(problem, start=...)``.

    With ``c`` the best constant output, the outer weights are ``a_i = −ℓ'(c, y_i)/t_i``: outputs change by ``−ℓ'(c,
    y_i)`` at the samples that have a neuron, and nowhere else. For the squared error, that is from ``c`` to ``y_i``.

    Parameters
    ----------
    problem : TrainingProblem
        With ReLU units, any loss and any number of outputs. Samples without weight are ignored, and equal ones with
        equal targets count as one.

    Returns
    -------
    TwoLayerNetwork
        Balanced. Without neurons where no sample has one, or where ``c`` is optimal for those that have.

    Raises
    ------
    ValueError
        For other activations, which are zero on neither side.

    Notes
    -----
    On six small problems (``python -m benchmarks.end_to_end.bench_hull_starts``) this start took fewer programs than
    no start on five, and more than descent, the default, on all six. It is no better than the default; it needs no
    training.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> start = single_sample_start(problem)
    >>> start.width, start.predict(X)[[0, 8]].round(6)
    (2, array([1., 1.]))
    >>> train(problem, start=start, random_state=0).status.name
    'CONVERGED'
    """
    if problem.activation != "relu":
        raise ValueError(
            f"activation={problem.activation!r} does not support neurons of one sample; use activation='relu'"
        )
    problem = problem.condensed()
    neurons = _neurons_of(problem)
    constant = problem.best_intercept(problem.no_outputs())
    steps = -problem.loss.gradient(problem.no_outputs() + constant, problem.y)
    network = TwoLayerNetwork(
        neurons.weights,
        neurons.biases,
        np.atleast_2d(steps[neurons.samples].T / neurons.values),
        np.atleast_1d(constant),
    )
    return problem.balanced(network)


def _neurons_of(problem: TrainingProblem) -> SingleSampleNeurons:
    find = _free_neuron if problem.free_bias else _penalised_neuron
    rows = problem.inputs if problem.free_bias else problem.design
    found = [(i, neuron) for i in range(len(rows)) if (neuron := find(rows, i)) is not None]
    units = np.reshape([unit for _, (unit, _, _) in found], (len(found), rows.shape[1]))
    biases = np.array([bias for _, (_, bias, _) in found])
    if problem.hidden_bias and not problem.free_bias:
        units, biases = units[:, :-1], units[:, -1]
    return SingleSampleNeurons(
        samples=np.array([i for i, _ in found], dtype=np.intp),
        weights=problem.feature_weights(units),
        biases=biases,
        values=np.array([value for _, (_, _, value) in found]),
    )


def _free_neuron(rows: Array, i: int) -> tuple[Array, float, float] | None:
    """Direction, bias and value with a free bias: away from the hull of the others."""
    gaps = rows[i] - np.delete(rows, i, axis=0)
    scale = float(norms(gaps).max(initial=0.0))
    if scale == 0:  # no other sample: then the bias alone may be arbitrarily large
        return None
    towards = least_distance(gaps / scale, np.ones(len(gaps)))
    if towards is None:
        return None
    w = towards / norms(towards)
    value = float((gaps @ w).min())
    return w, value - float(rows[i] @ w), value


def _penalised_neuron(rows: Array, i: int) -> tuple[Array, float, float] | None:
    """Direction in all coordinates, no additional bias, and value: away from the cone of the others."""
    scale = float(norms(rows[i]))
    if scale == 0:
        return None
    signed = -rows / scale
    signed[i] *= -1.0
    towards = least_distance(signed, np.eye(len(rows))[i])
    if towards is None:
        return None
    u = towards / norms(towards)
    return u, 0.0, float(rows[i] @ u)
