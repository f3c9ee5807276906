"""The loss of a two-layer network as a function of one flat vector of parameters."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import (
    check_number,
    check_type,
    checked_flag,
    finite_array,
    float_array,
)
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.landscape.activations import activation_of
from convexrelu.landscape.sample_losses import SAMPLE_LOSSES, check_labels, sample_loss
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.validation import checked_hidden_bias, checked_weights

__all__ = ["LossLandscape"]

# Numbers that a batch of points may need at a time: 64 MiB.
_BATCH = 2**23
_OUTPUTS = {"linear": lambda f: f, "sigmoid": torch.sigmoid, "tanh": torch.tanh}


class LossLandscape:
    """Loss, gradient and Hessian of two-layer networks of one width, in float64, for many points at once.

    With ``f(x) = g(A φ(W̃ x̃) + c)``, where ``x̃ = (x, 1)`` if `hidden_bias`, a point is the flat vector
    ``(W̃, A, c)``, row by row, and its loss is that of :class:`~convexrelu.TrainingProblem`::

        L(W̃, A, c) = Σ_i s_i Σ_k ℓ(f_k(x_i), y_ik) + (alpha/2) (‖W̃‖² + ‖A‖²),   s_i = 1/n

    Parameters
    ----------
    X : array of shape (n, d)
        Inputs.
    y : array of shape (n,) or (n, K)
        Targets, or labels.
    width : int
        Number of hidden units ``m``.
    activation : {"tanh", "sigmoid", "relu", "elu", "leaky_relu"}
        ``φ``.
    negative_slope : float
        Slope of ``"leaky_relu"`` for negative arguments.
    output : {"linear", "sigmoid", "tanh"}
        ``g``.
    loss : {"squared_error", "mean_squared_error", "cross_entropy", "logistic"}
        ``½(f − y)²``, ``(f − y)²``, ``log(1 + e^f) − yf`` for ``y`` in [0, 1], ``log(1 + e^(−yf))`` for ``y`` = ±1.
        The last two take a linear output.
    alpha : float
        Strength of the weight decay, zero or positive.
    hidden_bias : bool or "free"
        Whether hidden units have a bias, penalised or free.
    fit_intercept : bool
        Whether outputs have a bias ``c``, never penalised.
    sample_weight : array of shape (n,), optional
        Weights ``s``, normalised to sum to one.

    Attributes
    ----------
    size : int
        Number of parameters.

    Notes
    -----
    Derivatives are automatic, by torch. Where a sample lies on the kink of a rectifier, the loss has none, and
    they are one-sided.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LossLandscape
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="relu")
    >>> xor.size
    9
    >>> exact = np.array([1.0, 1.0, 0.0, 1.0, 1.0, -1.0, 1.0, -2.0, 0.0])
    >>> xor.losses(exact)
    array(0.)
    >>> xor.hessians(exact).shape
    (9, 9)
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        width: int,
        *,
        activation: str = "relu",
        negative_slope: float = 0.01,
        output: str = "linear",
        loss: str = "squared_error",
        alpha: float = 0.0,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        self.X = finite_array("X", X, "n", "d")
        self.y = _targets(y, len(self.X))
        check_number("width", width, numbers.Integral, 1)
        self.width = int(width)
        self.activation = activation_of(activation, negative_slope)
        self.negative_slope = {"relu": 0.0, "leaky_relu": float(negative_slope)}.get(activation)
        self.output = _output(output, loss)
        self.loss = loss
        self._sample_loss = sample_loss(loss)
        check_labels(loss, self.y)
        check_number("alpha", alpha, numbers.Real, 0)
        self.alpha = float(alpha)
        self.hidden_bias = checked_hidden_bias(hidden_bias, fit_intercept, "relu")
        self.fit_intercept = checked_flag("fit_intercept", fit_intercept)
        self.weights = checked_weights(sample_weight, len(self.X))
        ones = np.ones((len(self.X), 1 if self.hidden_bias else 0))
        self.design = np.hstack([self.X, ones])
        self._tensors = [torch.from_numpy(np.array(v)) for v in (self.design, self.y, self.weights)]

    @classmethod
    def from_problem(cls, problem: TrainingProblem, width: int) -> Self:
        """The objective of a training problem over networks of one width.

        Its values are those of ``problem.objective``, so the bounds of a certificate hold for every point.

        Parameters
        ----------
        problem : TrainingProblem
            With ReLU or leaky ReLU units, squared error or logistic loss, dense inputs and no skip connection.
        width : int
            Number of hidden units.
        """
        check_type("problem", problem, TrainingProblem)
        if problem.activation not in ("relu", "leaky_relu", "absolute_value") or problem.skip:
            kind = "a skip connection" if problem.skip else f"activation={problem.activation!r}"
            raise ValueError(f"problem has {kind}; a landscape takes ReLU and leaky ReLU networks")
        if problem.loss.name not in SAMPLE_LOSSES:
            raise ValueError(
                f"problem has loss={problem.loss.name!r}; a landscape takes squared_error and logistic"
            )
        return cls(
            problem.X,
            problem.y,
            width,
            activation="leaky_relu" if problem.slope else "relu",
            negative_slope=problem.slope,
            loss=problem.loss.name,
            alpha=problem.alpha,
            hidden_bias=problem.hidden_bias,
            fit_intercept=problem.fit_intercept,
            sample_weight=problem.weights,
        )

    # Sizes and names of parameters

    @property
    def n_inputs(self) -> int:
        """Weights of a hidden unit, its bias included: ``d̃``."""
        return self.design.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of outputs ``K``."""
        return self.y.shape[1]

    @property
    def size(self) -> int:
        """Number of parameters."""
        intercepts = self.n_outputs if self.fit_intercept else 0
        return self.width * (self.n_inputs + self.n_outputs) + intercepts

    def parts(self, points: Array) -> tuple[Array, Array, Array]:
        """``W̃``, ``A`` and ``c`` of points: arrays of shape (..., m, d̃), (..., K, m) and (..., K)."""
        points = self._checked(points)
        shapes = (self.width, self.n_inputs), (self.n_outputs, self.width)
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        hidden, outer, intercept = np.split(points, ends, axis=-1)
        if not self.fit_intercept:
            intercept = np.zeros((*points.shape[:-1], self.n_outputs))
        lead = points.shape[:-1]
        return hidden.reshape(lead + shapes[0]), outer.reshape(lead + shapes[1]), intercept

    def point(self, hidden: ArrayLike, outer: ArrayLike, intercept: ArrayLike = 0.0) -> Array:
        """The flat vector of ``W̃``, ``A`` and ``c``; the inverse of `parts` for one point."""
        parts = [np.ravel(np.asarray(part, dtype=np.float64)) for part in (hidden, outer)]
        if self.fit_intercept:
            parts.append(np.broadcast_to(np.asarray(intercept, np.float64), (self.n_outputs,)))
        return self._checked(np.concatenate(parts))

    # Values and derivatives

    def losses(self, points: ArrayLike) -> Array:
        """Losses of points of shape (..., p)."""
        return self._in_batches(self._objective, points, 1)[0]

    def gradients(self, points: ArrayLike) -> tuple[Array, Array]:
        """Losses, and gradients of shape (..., p)."""
        gradients, losses = self._in_batches(partial(_row_gradients, self._objective), points, 3)
        return losses, gradients

    def hessians(self, points: ArrayLike) -> Array:
        """Hessians of shape (..., p, p)."""
        # torch.func.hessian uses forward derivatives, whose first use warns in torch 2.13.
        hessian = torch.func.vmap(torch.func.jacrev(torch.func.grad(self._objective)))
        return self._in_batches(hessian, points, 3 * self.size)[0]

    def outputs(self, points: ArrayLike) -> Array:
        """Outputs on the data, of shape (..., n, K)."""
        return self._in_batches(self._outputs, points, 1)[0]

    def jacobians(self, points: ArrayLike) -> Array:
        """Derivatives of the outputs on the data, of shape (..., n, K, p)."""
        jacobian = torch.func.vmap(torch.func.jacrev(self._outputs))
        return self._in_batches(jacobian, points, 3 * self.y.size)[0]

    def hidden_inputs(self, points: ArrayLike) -> Array:
        """Inputs ``W̃ x̃_i`` of the hidden units, of shape (..., n, m)."""
        hidden, _, _ = self.parts(np.asarray(points, dtype=np.float64))
        return self.design @ np.swapaxes(hidden, -1, -2)

    def _objective(self, points: Tensor) -> Tensor:
        """Losses of points of shape (..., p)."""
        _, targets, weights = self._tensors
        fit = self._sample_loss(self._outputs(points), targets).sum(dim=-1) @ weights
        if not self.alpha:
            return fit
        m, inputs, k = self.width, self.n_inputs, self.n_outputs
        square = points[..., : m * (inputs + k)].square().sum(dim=-1)
        if self.hidden_bias == "free":
            square = square - points[..., inputs - 1 : m * inputs : inputs].square().sum(dim=-1)
        return fit + 0.5 * self.alpha * square

    def _outputs(self, points: Tensor) -> Tensor:
        m, inputs, k = self.width, self.n_inputs, self.n_outputs
        lead = points.shape[:-1]
        hidden = points[..., : m * inputs].reshape(*lead, m, inputs)
        outer = points[..., m * inputs : m * (inputs + k)].reshape(*lead, k, m)
        outputs = self.activation.value(self._tensors[0] @ hidden.mT) @ outer.mT
        if self.fit_intercept:
            outputs = outputs + points[..., None, m * (inputs + k) :]
        return _OUTPUTS[self.output](outputs)

    def _in_batches(
        self, function: Callable[[Tensor], Any], points: ArrayLike, copies: int
    ) -> list[Array]:
        """Values of a function of many points; a batch has as many points as fit into memory."""
        points = self._checked(points)
        rows = torch.from_numpy(points.reshape(-1, self.size))
        needed = copies * (len(self.X) * (self.width + self.n_outputs) + self.size)
        values = [function(batch) for batch in rows.split(max(1, _BATCH // needed))]
        parts = zip(*(v if isinstance(v, tuple) else (v,) for v in values), strict=True)
        lead = points.shape[:-1]
        joined = [torch.cat(part).numpy() for part in parts]
        return [value.reshape(lead + value.shape[1:]) for value in joined]

    def _checked(self, points: ArrayLike) -> Array:
        points = float_array("points", points)
        if points.ndim == 0 or points.shape[-1] != self.size:
            raise ValueError(f"points have shape {points.shape}, expected (..., {self.size})")
        return points

    # Networks

    def network(self, point: ArrayLike) -> TwoLayerNetwork:
        """The network of a point, for rectifiers and a linear output."""
        if self.negative_slope is None or self.output != "linear":
            raise ValueError(
                f"activation={self.activation.name!r} with output={self.output!r} is no TwoLayerNetwork, which has "
                "rectifiers and a linear output"
            )
        hidden, outer, intercept = self.parts(np.asarray(point, dtype=np.float64))
        d = self.X.shape[1]
        bias = hidden[:, d] if self.hidden_bias else np.zeros(self.width)
        return TwoLayerNetwork(
            hidden[:, :d], bias, outer, intercept, negative_slope=self.negative_slope
        )

    def point_of(self, network: TwoLayerNetwork) -> Array:
        """The point of a network, with units of zero added up to the width."""
        check_type("network", network, TwoLayerNetwork)
        missing = self.width - network.width
        if missing < 0:
            raise ValueError(f"network has width {network.width}, expected at most {self.width}")
        self._check_fits(network)
        weights = network.augmented_weights()[:, : self.n_inputs]
        hidden = np.pad(weights, ((0, missing), (0, 0)))
        outer = np.pad(network.output_weights, ((0, 0), (0, missing)))
        return self.point(hidden, outer, network.output_bias)

    def _check_fits(self, network: TwoLayerNetwork) -> None:
        """Raise a ValueError for a network that would be another one as a point."""
        shape = self.X.shape[1], self.n_outputs
        if (network.n_features, network.n_outputs) != shape or network.skip_weights is not None:
            raise ValueError(
                f"network has {network.n_features} features, {network.n_outputs} outputs and skip_weights="
                f"{network.skip_weights}, expected {shape[0]}, {shape[1]} and None"
            )
        if self.negative_slope is not None and network.negative_slope != self.negative_slope:
            raise ValueError(
                f"network has negative_slope {network.negative_slope:g}, expected {self.negative_slope:g}"
            )
        if not self.hidden_bias and network.hidden_bias.any():
            raise ValueError("network has a hidden bias, which this landscape has not")
        if not self.fit_intercept and network.output_bias.any():
            raise ValueError("network has an output bias, which this landscape has not")

    def start(self, n_points: int, random_state: np.random.RandomState) -> Array:
        """Random points: normal weights of variance ``1/d̃`` and ``1/m``, intercepts of zero."""
        m, inputs, k = self.width, self.n_inputs, self.n_outputs
        points = np.zeros((n_points, self.size))
        points[:, : m * inputs] = random_state.normal(size=(n_points, m * inputs)) / inputs**0.5
        outer = slice(m * inputs, m * (inputs + k))
        points[:, outer] = random_state.normal(size=(n_points, m * k)) / m**0.5
        return points


def _row_gradients(function: Callable[[Tensor], Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients and values for each row: the rows of the gradient of the sum.

    Half the time of torch.func.grad_and_value, which matters for small networks.
    """
    with torch.enable_grad():
        rows = rows.detach().requires_grad_()
        values = function(rows)
        (gradients,) = torch.autograd.grad(values.sum(), rows)
    return gradients, values.detach()


def _targets(y: ArrayLike, n: int) -> Array:
    targets = finite_array("y", y)
    if targets.ndim not in (1, 2) or len(targets) != n:
        raise ValueError(f"y has shape {targets.shape}, expected ({n},) or ({n}, K)")
    return targets.reshape(n, -1)


def _output(output: str, loss: str) -> str:
    if output not in _OUTPUTS:
        raise ValueError(f"output={output!r} is not one of {', '.join(_OUTPUTS)}")
    if output != "linear" and loss in ("cross_entropy", "logistic"):
        raise ValueError(f"output={output!r} with loss={loss!r}, which takes linear outputs")
    return output
