"""Networks on the way of descent, for those who watch: the first ones are good long before the last one is there."""

from __future__ import annotations

from collections.abc import Callable

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective

__all__ = ["Look", "Sketches"]

# Called with a network; descent ends where it returns True.
Look = Callable[[TwoLayerNetwork], bool]

# Steps to the first sketch, and from one to the next, relative: a sketch takes as long as a step or two.
_FIRST, _LATER = 12, 1.3
# Relative drop of the value since the last sketch without which none is worth its time.
_DROP = 0.005
# Hidden outputs below which all of descent takes hundredths of a second.
_FEW = 2**13


class Sketches:
    """Shows the best networks so far while descent goes on.

    Parameters
    ----------
    objective : RoundedObjective
        What is minimised.
    look : callable, optional
        Is shown the networks.
    """

    def __init__(self, objective: RoundedObjective, look: Look | None = None) -> None:
        self._objective = objective
        n_hidden = len(objective.rows) * objective.n_neurons
        self._look = look if n_hidden > _FEW else None
        self._n_steps, self._next = 0, _FIRST
        self._width, self._value = 0.0, 0.0  # of the last sketch
        self.is_to_end = False

    def after(self, z: Array, value: float, width: float) -> bool:
        """Show the network of a step if one is due; whether descent is to end.

        Parameters
        ----------
        z : array
            The point.
        value : float
            Its smoothed objective.
        width : float
            Width of the smoothing, without which values are not compared.

        Raises
        ------
        RuntimeError
            If `look` raises a StopIteration, which would end a minimisation without a word.
        """
        self._n_steps += 1
        if self._look is None or self._n_steps < self._next:
            return self.is_to_end
        if width == self._width and value > self._value * (1 - _DROP):
            return self.is_to_end
        self._next = max(self._n_steps + 1, round(_LATER * self._n_steps))
        self._width, self._value = width, value
        network = self._objective.network(self._objective.balanced(z))
        try:
            self.is_to_end = self._look(network)
        except StopIteration as error:
            raise RuntimeError("progress raised a StopIteration") from error
        return self.is_to_end
