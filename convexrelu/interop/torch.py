"""Export to PyTorch and import from it."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.torch_import import nn, torch
from convexrelu.interop.weights import HasWeights, Weights, weights_of

__all__ = ["from_torch", "to_torch"]


def to_torch(
    network: HasWeights, *, dtype: torch.dtype | None = None, device: str = "cpu"
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

    Returns
    -------
    torch.nn.Sequential
        Trainable. Its regularised loss equals the network's objective, so fine-tuning starts from
        there.

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
    # No random initialisation: it would advance the caller's generator.
    sizes = weights.hidden_weights.shape[::-1], weights.output_weights.shape[::-1]
    hidden, output = (
        nn.utils.skip_init(nn.Linear, *size, dtype=dtype, device=device) for size in sizes
    )
    slope = weights.negative_slope
    module = nn.Sequential(hidden, nn.LeakyReLU(slope) if slope else nn.ReLU(), output)
    arrays = {
        "0.weight": weights.hidden_weights,
        "0.bias": weights.hidden_bias,
        "2.weight": weights.output_weights,
        "2.bias": weights.output_bias,
    }
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return module.eval()


def from_torch(module: nn.Module) -> Weights:
    """Read the weights of ``Sequential(Linear, ReLU or LeakyReLU, Linear)``; missing biases are zero.

    Parameters
    ----------
    module : torch.nn.Module
        On any device, of any floating type.

    Returns
    -------
    Weights
        Constructor arguments of :class:`~convexrelu.TwoLayerNetwork`.

    Raises
    ------
    ValueError
        If the module is not of this form.

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu import TwoLayerNetwork
    >>> TwoLayerNetwork.from_torch(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)))
    TwoLayerNetwork(width=8, n_features=3, n_outputs=1)
    """
    layers = list(module) if isinstance(module, nn.Sequential) else [module]
    match layers:
        case [nn.Linear() as hidden, nn.ReLU() | nn.LeakyReLU() as middle, nn.Linear() as output]:
            arrays = *_weight_and_bias(hidden), *_weight_and_bias(output)
            return Weights(*arrays, negative_slope=getattr(middle, "negative_slope", 0.0))
        case _:
            form = ", ".join(type(layer).__name__ for layer in layers)
            raise ValueError(
                f"module is made of ({form}), expected Sequential(Linear, ReLU, Linear)"
            )


def _weight_and_bias(layer: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    weight = layer.weight.detach().to("cpu", torch.float64).numpy()
    if layer.bias is None:
        return weight, np.zeros(len(weight))
    return weight, layer.bias.detach().to("cpu", torch.float64).numpy()
