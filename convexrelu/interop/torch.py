"""Export to PyTorch and import from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.torch_import import nn, torch
from convexrelu._utils.typing import Array
from convexrelu.interop.agreement import Precision, check_agreement
from convexrelu.interop.heads import Classes, head_of
from convexrelu.interop.weights import HasWeights, Weights, check_narrowing, weights_of

__all__ = [
    "Exp",
    "Indicators",
    "Labels",
    "Predictions",
    "Probabilities",
    "from_torch",
    "to_torch",
    "with_head",
]

_OTHERS = {"torch.nn.modules.activation", "torch.nn.modules.dropout"}


class Exp(nn.Module):
    """The exponential, which PyTorch has no module for: from logarithms of means to means."""

    def forward(self, logarithms: torch.Tensor) -> torch.Tensor:
        """Entry by entry."""
        return logarithms.exp()


class Indicators(nn.Module):
    """One for labels with a positive score, zero for others."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Of shape (n, K), integers."""
        return (scores > 0).long()


class Predictions(nn.Module):
    """Outputs in the shape of what ``predict`` returns: without their axis, if there is only one."""

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Of shape (n,) or (n, K)."""
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs


class Probabilities(nn.Module):
    """Probabilities of all classes from the outputs of a network; zero for those without weight in training."""

    to_scores: torch.Tensor | None
    to_all: torch.Tensor | None

    def __init__(self, classes: Classes, like: torch.Tensor) -> None:
        super().__init__()
        _keep_matrices(self, classes, like)

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Of shape (n, K)."""
        scores = outputs if self.to_scores is None else outputs @ self.to_scores
        probabilities = scores.softmax(dim=1)
        return probabilities if self.to_all is None else probabilities @ self.to_all


class Labels(nn.Module):
    """Position of the most likely class in ``classes_``."""

    to_scores: torch.Tensor | None
    present: torch.Tensor

    def __init__(self, classes: Classes, like: torch.Tensor) -> None:
        super().__init__()
        _keep_matrices(self, classes, like)
        self.register_buffer("present", torch.tensor(classes.present, device=like.device))

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        """Of shape (n,), integers."""
        scores = outputs if self.to_scores is None else outputs @ self.to_scores
        return self.present[scores.argmax(dim=1)]


def _keep_matrices(module: nn.Module, classes: Classes, like: torch.Tensor) -> None:
    for name in ("to_scores", "to_all"):
        matrix = getattr(classes, name)
        tensor = None if matrix is None else torch.tensor(matrix).to(like)
        module.register_buffer(name, tensor)


def with_head(module: nn.Sequential, estimator: Any, name: str) -> nn.Sequential:
    """The module of an estimator's network, and behind it what makes its outputs predictions.

    Parameters
    ----------
    module : Sequential
        Of :func:`to_torch`; its outputs are those that the head takes.
    estimator : estimator
        A fitted regressor or classifier of this package.
    name : {"outputs", "predict", "predict_proba"}

    Returns
    -------
    torch.nn.Sequential
        In evaluation mode.
    """
    head = head_of(estimator, name)
    like = next(module.parameters()).detach()
    behind: list[nn.Module] = []
    if head.several is not None:
        behind = [Indicators() if head.kind == "indicators" else nn.Sigmoid()]
    elif head.kind == "label" and head.classes is not None:
        behind = [Labels(head.classes, like)]
    elif head.kind == "probabilities" and head.classes is not None:
        behind = [Probabilities(head.classes, like)]
    elif name == "predict":
        behind = [*([Exp()] if head.kind == "exp" else []), Predictions()]
    return nn.Sequential(*module, *behind).eval()


def to_torch(
    network: HasWeights,
    *,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    exponential: bool = False,
) -> nn.Sequential:
    """``Sequential(Linear, ReLU, Linear)`` with the network's weights, in evaluation mode.

    For activations other than ReLU the middle module is ``LeakyReLU(slope)``: -1 makes it the absolute value.
    A skip connection becomes two neurons per output.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or anything else with its arrays. A network without neurons gets one that is zero, for the sake of exporters.
    dtype : torch.dtype, optional
        Type of the parameters; ``torch.float64`` by default, which preserves outputs up to rounding.
    device : str
        Device of the parameters.
    exponential : bool
        Put :class:`Exp` behind the output, for networks whose outputs are logarithms.

    Returns
    -------
    torch.nn.Sequential
        Trainable. Its regularised loss equals the network's objective, so fine-tuning starts from
        there.

    Raises
    ------
    ValueError
        If a weight overflows in this type, or the type is none of real floating numbers.

    Warns
    -----
    UserWarning
        If this type rounds the weights of a neuron to zero.

    Examples
    --------
    >>> import torch
    >>> from convexrelu import TwoLayerNetwork
    >>> module = TwoLayerNetwork([[1.0, -1.0]], [0.5], [[2.0]], [0.0]).to_torch()
    >>> module(torch.tensor([[1.0, 0.0]], dtype=torch.float64)).item()
    3.0
    """
    weights = weights_of(network)
    dtype = torch.float64 if dtype is None else dtype
    if not dtype.is_floating_point:
        raise ValueError(f"dtype={dtype} is not a type of real floating numbers")
    # No random initialisation: it would advance the caller's generator.
    sizes = weights.hidden_weights.shape[::-1], weights.output_weights.shape[::-1]
    hidden, output = (
        nn.utils.skip_init(nn.Linear, *size, dtype=dtype, device=device) for size in sizes
    )
    slope = weights.negative_slope
    middle = nn.LeakyReLU(slope) if slope else nn.ReLU()
    module = nn.Sequential(hidden, middle, output, *([Exp()] if exponential else []))
    names = "0.weight", "0.bias", "2.weight", "2.bias"
    tensors = [torch.tensor(array).to(dtype) for array in weights[:4]]
    inner, bias, outer, intercept = (_numbers(tensor) for tensor in tensors)
    check_narrowing(weights, Weights(inner, bias, outer, intercept), str(dtype))
    module.load_state_dict(dict(zip(names, tensors, strict=True)))
    return module.eval()


def from_torch(module: nn.Module, X: ArrayLike | None = None) -> Weights:
    """Read the weights of a module of two linear layers with a ReLU or LeakyReLU between them; missing biases are zero.

    The module is ``Sequential(Linear, ReLU, Linear)``, or any other with exactly two linear layers, in any order and
    depth, and no activation but one: a module for it, or a ReLU in its ``forward``. The layers may have
    parametrisations, such as weight normalisation, and hooks. The function is that of evaluation
    mode. Its outputs are compared with those of the network, and must agree up to rounding in the module's type.

    Parameters
    ----------
    module : torch.nn.Module
        On any device, of any real floating type.
    X : array of shape (n, d), optional
        Inputs at which the outputs are compared; by default at random points.

    Returns
    -------
    Weights
        Constructor arguments of :class:`~convexrelu.TwoLayerNetwork`.

    Raises
    ------
    ValueError
        If the module is not of this form, or computes something else, as a subclass or with a hook.

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu import TwoLayerNetwork
    >>> TwoLayerNetwork.from_torch(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)))
    TwoLayerNetwork(width=8, n_features=3, n_outputs=1)
    """
    if not isinstance(module, nn.Module):
        raise ValueError(f"module is a {type(module).__name__}, expected a torch.nn.Module")
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    others = [part for part in module.modules() if _is_other(part)]
    slopes = {
        float(getattr(part, "negative_slope", 0.0))
        for part in module.modules()
        if isinstance(part, nn.ReLU | nn.LeakyReLU)
    } or {0.0}
    if len(layers) != 2 or len(slopes) != 1 or others:
        parts = list(module.children()) if isinstance(module, nn.Sequential) else [module]
        form = ", ".join(type(part).__name__ for part in parts)
        raise ValueError(
            f"module is made of ({form}), expected Sequential(Linear, ReLU, Linear), or another module with exactly "
            "two Linear layers and no activation but one kind of ReLU or LeakyReLU"
        )
    _check_parameters(module)
    with _evaluating(module):
        return _in_order(module, layers, slopes.pop(), X)


def _is_other(part: nn.Module) -> bool:
    """Whether a module is an activation of another kind, what follows outputs, or dropout."""
    if isinstance(part, Exp | Labels | Probabilities):
        return True
    kinds = {kind.__module__ for kind in type(part).__mro__}
    return not isinstance(part, nn.ReLU | nn.LeakyReLU) and not kinds.isdisjoint(_OTHERS)


def _in_order(
    module: nn.Module, layers: list[nn.Linear], slope: float, X: ArrayLike | None
) -> Weights:
    """Weights with the layers in the order in which the module has its function: they may be registered in another."""
    orders = [layers, layers[::-1]]
    fitting = [(one, two) for one, two in orders if two.weight.shape[1] == len(one.weight)]
    if not fitting:
        shapes = " and ".join(str(tuple(layer.weight.shape)) for layer in layers)
        raise ValueError(f"module has layers of shapes {shapes}, which do not fit together")
    try:
        return _weights_of(module, *fitting[0], slope, X)
    except ValueError as error:
        try:
            return _weights_of(module, *fitting[-1], slope, X)
        except ValueError:
            raise error from None


def _check_parameters(module: nn.Module) -> None:
    """Raise an error for parameters that are no real numbers, or have no values."""
    for name, tensor in module.named_parameters():
        if nn.parameter.is_lazy(tensor) or tensor.is_meta:
            raise ValueError(f"module has no values for its parameter {name!r}")
        if not tensor.is_floating_point():
            raise ValueError(
                f"module has a parameter {name!r} of type {tensor.dtype}, expected real floating numbers"
            )


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, without gradients: nothing in the module changes, such as the vectors of a spectral norm."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in modes:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def _weights_of(
    module: nn.Module, hidden: nn.Linear, output: nn.Linear, slope: float, X: ArrayLike | None
) -> Weights:
    def function(rows: Array) -> tuple[Array, Array]:
        inputs = torch.tensor(rows, dtype=hidden.weight.dtype, device=hidden.weight.device)
        return _numbers(inputs), _numbers(module(inputs.clone()))  # it may write to its inputs

    try:
        # Weights that a hook computes, as in `torch.nn.utils.weight_norm`, are those of the last call.
        function(np.zeros((1, hidden.weight.shape[1])))
        arrays = *_weight_and_bias(hidden), *_weight_and_bias(output)
    except Exception as error:  # of code that we do not know
        raise ValueError(f"module cannot be evaluated: {error}") from error
    weights = Weights(*arrays, negative_slope=slope)
    check_agreement("module", function, weights, X, _precision(hidden.weight.dtype))
    return weights


def _precision(dtype: torch.dtype) -> Precision:
    """Of products of matrices, as PyTorch computes them."""
    numbers = torch.finfo(dtype)
    # Half precision is summed in single precision, which may be told to multiply in half.
    longer = torch.finfo(torch.float32) if numbers.bits < 32 else numbers
    eps = numbers.eps
    if numbers.bits == 32 and not _multiplies_in_single_precision():
        eps = torch.finfo(torch.bfloat16).eps
    smallest = max(longer.tiny, numbers.tiny * numbers.eps)
    return Precision(eps, longer.eps, smallest, numbers.max)


def _multiplies_in_single_precision() -> bool:
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # it differs between devices
        return False


def _weight_and_bias(layer: nn.Linear) -> tuple[Array, Array]:
    weight = _numbers(layer.weight)
    return weight, np.zeros(len(weight)) if layer.bias is None else _numbers(layer.bias)


def _numbers(tensor: torch.Tensor) -> Array:
    """A copy in float64."""
    if not tensor.is_floating_point():
        raise ValueError(f"a tensor is of type {tensor.dtype}, expected real floating numbers")
    return np.array(tensor.detach().to("cpu", torch.float64).numpy())
