"""What a certificate says of a network itself, in one pass over the data: objective, outputs, and kinds of units."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.evaluation import CentredInputs
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Evaluation"]

_CHUNK = 2**16  # entries of the inputs of neurons that are there at a time
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network on the samples of a problem.

    Attributes
    ----------
    objective : float
        ``problem.objective(network)``, rounded up.
    outputs : array of shape (n,) or (n, K)
        Outputs, rounded: of a dual point, which may be any.
    n_dead, n_linear, n_mixed : int
        Units of each kind on the samples. Outputs within rounding of zero count as zero.
    """

    objective: float
    outputs: Array
    n_dead: int
    n_linear: int
    n_mixed: int

    @classmethod
    def of(cls, network: TwoLayerNetwork, problem: TrainingProblem) -> Evaluation:
        """Evaluate the network once."""
        units = _Pass(problem.centred_inputs, network.width)
        objective = problem.objective(network, units.outputs_of)
        constant = network.output_bias
        if network.skip_weights is not None:
            constant = constant + network.skip_weights @ problem.centred_inputs.centre
        outputs = units.outputs + (constant if problem.n_outputs > 1 else constant[0])
        dead = units.left if problem.slope == 0.0 else units.left & units.right
        linear = (units.left | units.right) & ~dead
        mixed = ~(dead | linear)
        return cls(objective, outputs, int(dead.sum()), int(linear.sum()), int(mixed.sum()))


@dataclass(eq=False)
class _Pass:
    """Outputs of a network on centred inputs, and on which side of its kink every unit stays."""

    inputs: CentredInputs
    width: int
    left: NDArray[np.bool_] = field(init=False)
    right: NDArray[np.bool_] = field(init=False)
    outputs: Array = field(init=False)

    def outputs_of(self, network: TwoLayerNetwork) -> Array:
        """Outputs of shape (n,) or (n, K), also kept."""
        self.left, self.right = np.ones((2, self.width), dtype=bool)
        rows, slopes = self.inputs.rows, norms(network.hidden_weights)
        step = max(1, _CHUNK // max(1, self.width))
        parts = []
        for start in range(0, rows.shape[0], step):
            part = slice(start, start + step)
            seen = rows[part] @ network.hidden_weights.T + network.hidden_bias
            self._look(seen, self.inputs.lengths[part], slopes, network.hidden_bias)
            parts.append(activate(seen, network.negative_slope) @ network.output_weights.T)
        outputs = np.concatenate(parts) + network.output_bias
        if network.skip_weights is not None:
            outputs += rows @ network.skip_weights.T
        self.outputs = outputs[:, 0] if network.n_outputs == 1 else outputs
        return self.outputs

    def _look(self, seen: Array, lengths: Array, slopes: Array, bias: Array) -> None:
        """Sides of units that have been on one side so far: soon these are few."""
        open_ = np.flatnonzero(self.left | self.right)
        if not len(open_):
            return
        values = seen[:, open_]
        sizes = np.outer(lengths, slopes[open_]) + np.abs(bias[open_])
        rounding = (self.inputs.rows.shape[1] + 2) * _EPS * sizes
        self.left[open_] &= (values <= rounding).all(axis=0)
        self.right[open_] &= (values >= -rounding).all(axis=0)
