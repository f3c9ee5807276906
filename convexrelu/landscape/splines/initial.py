r"""Random networks with one feature, by the variances of their weights.

A neuron with normal weights has its knot ``−b/w`` at a Cauchy distributed place, of median zero and scale ``σ_b/σ_w``.
The slope of the network at any point is a sum over the active neurons, half of all, of ``w_j a_j``. As ``w² 1{wx + b >
0}`` has the mean ``σ_w²/2`` whatever ``x`` is, the variance of the slope is ``(H/2) σ_w² σ_a²`` (Sahs et al. 2022).
"""

from __future__ import annotations

import math
import numbers
from typing import NamedTuple

import numpy as np

from convexrelu._utils.arguments import as_float, check_choice, check_number, is_number, shown
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["INITIALISATIONS", "Initialisation", "initialisation", "random_spline"]

INITIALISATIONS = ("he", "glorot", "torch")


class Initialisation(NamedTuple):
    """Standard deviations of the weights of a network with one feature and ``width`` neurons.

    Attributes
    ----------
    width : int
    hidden_weights, hidden_bias, output_weights : float
        ``σ_w``, ``σ_b`` and ``σ_a``.
    is_normal : bool
        Whether weights are normal, and uniform otherwise.

    Examples
    --------
    >>> from convexrelu.landscape import initialisation
    >>> initial = initialisation("he", 8)
    >>> initial.knot_scale, initial.scaled(2.0).hidden_weights == 2 * initial.hidden_weights
    (1.0, True)
    """

    width: int
    hidden_weights: float
    hidden_bias: float
    output_weights: float
    is_normal: bool = True

    @property
    def slope_variance(self) -> float:
        """Variance of the slope of the network at any point, ``(H/2) σ_w² σ_a²``."""
        return 0.5 * self.width * (self.hidden_weights * self.output_weights) ** 2

    @property
    def knot_scale(self) -> float:
        """Scale of the knots, ``σ_b/σ_w``: half of them are within this distance of zero for normal weights."""
        return self.hidden_bias / self.hidden_weights

    @property
    def expected_roughness(self) -> float:
        """Mean of the total variation of the slope, ``H E|w| E|a|``."""
        # E|w|/σ squared: of a normal, of a uniform.
        of_deviations = 2 / math.pi if self.is_normal else 0.75
        return of_deviations * self.width * self.hidden_weights * self.output_weights

    def scaled(self, scale: float) -> Initialisation:
        """All weights multiplied by a factor: outputs grow by its square, and knots stay."""
        if not is_number(scale) or not 0 < as_float(scale) < math.inf:
            raise ValueError(f"scale={shown(scale)} is not a positive number")
        return self._replace(
            hidden_weights=scale * self.hidden_weights,
            hidden_bias=scale * self.hidden_bias,
            output_weights=scale * self.output_weights,
        )


def initialisation(name: str, width: int) -> Initialisation:
    """A common initialisation of a network with one feature and one output.

    Parameters
    ----------
    name : {"he", "glorot", "torch"}
        ``"he"``: normal, variance 2/inputs of a layer (He et al. 2015). ``"glorot"``: normal, 2/(inputs + outputs)
        (Glorot & Bengio 2010). ``"torch"``: that of ``torch.nn.Linear``, uniform with variance 1/(3 inputs). Biases
        have the deviation of the weights; the former two leave them at zero, which would put all knots in one place.
    width : int

    Returns
    -------
    Initialisation

    Examples
    --------
    >>> from convexrelu.landscape import initialisation
    >>> [round(initialisation(name, 512).slope_variance, 4) for name in ("he", "glorot", "torch")]
    [2.0, 0.0039, 0.0556]
    """
    check_choice("name", name, INITIALISATIONS)
    check_number("width", width, numbers.Integral, 1)
    if name == "he":
        hidden, outer = math.sqrt(2.0), math.sqrt(2.0 / width)
    elif name == "glorot":
        hidden = outer = math.sqrt(2.0 / (1 + width))
    else:
        hidden, outer = math.sqrt(1 / 3), math.sqrt(1 / (3 * width))
    return Initialisation(width, hidden, hidden, outer, is_normal=name != "torch")


def random_spline(
    initial: Initialisation,
    *,
    without_output: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> TwoLayerNetwork:
    """A random network with one feature.

    Parameters
    ----------
    initial : Initialisation
    without_output : bool
        Whether the second half of the neurons repeats the first with the opposite outer weights, so that the network is
        zero, whatever the scale of its weights. Knots are then in pairs; the width must be even.
    random_state : int, RandomState or None

    Returns
    -------
    TwoLayerNetwork
        Its intercept is zero.

    Examples
    --------
    >>> from convexrelu.landscape import initialisation, random_spline
    >>> network = random_spline(initialisation("he", 4), without_output=True, random_state=0)
    >>> network.predict([[-1.0], [2.0]])
    array([0., 0.])
    """
    if not isinstance(initial, Initialisation):
        raise ValueError(f"initial is a {type(initial).__name__}, expected an Initialisation")
    if without_output and initial.width % 2:
        raise ValueError(f"initial has width={initial.width}, expected an even one without output")
    random = checked_random_state(random_state)
    width = initial.width // 2 if without_output else initial.width
    w, b, a = (deviation * _draw(random, width, initial.is_normal) for deviation in initial[1:4])
    if without_output:
        w, b, a = np.append(w, w), np.append(b, b), np.append(a, -a)
    return TwoLayerNetwork(w[:, None], b, a[None, :], [0.0])


def _draw(random: np.random.RandomState, size: int, is_normal: bool) -> Array:
    """Numbers of variance one."""
    if is_normal:
        return random.standard_normal(size)
    return random.uniform(-math.sqrt(3), math.sqrt(3), size)
