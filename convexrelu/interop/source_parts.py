"""What source text is made of: the arrays of a network and its head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convexrelu._utils.typing import Array
from convexrelu.interop.heads import Head

__all__ = ["SourceParts"]


@dataclass(frozen=True)
class SourceParts:
    """The network, what follows it, and the name of the function.

    Attributes
    ----------
    name : str
    network : TwoLayerNetwork
        Or anything with its arrays.
    head : Head
    """

    name: str
    network: Any
    head: Head

    @property
    def n_features(self) -> int:
        """Numbers that go in."""
        return self.network.hidden_weights.shape[1]

    @property
    def width(self) -> int:
        """Number of neurons."""
        return len(self.network.hidden_bias)

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""
        return len(self.network.output_bias)

    @property
    def skip(self) -> Array | None:
        """Weights of the skip connection, if there is one."""
        return getattr(self.network, "skip_weights", None)

    @property
    def shape(self) -> str:
        """A sentence about the network."""
        return (
            f"A two-layer network with {_count(self.n_features, 'input')}, "
            f"{_count(self.width, 'neuron')} and {_count(self.n_outputs, 'output')}"
        )

    @property
    def alone(self) -> bool:
        """Whether the function gives one number, as ``predict`` does for one output."""
        return self.head.kind in ("outputs", "exp") and self.n_outputs == 1


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
