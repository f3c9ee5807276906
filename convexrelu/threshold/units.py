"""Units of a threshold network as columns of the lasso."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.typing import Array, Masks
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.patterns.cell_centre import cell_centre
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Units"]

_CENTRE = 7000  # the centre of a cell takes as long as so many multiplications for each entry of the design


@dataclass(frozen=True, eq=False)
class Units:
    """Columns with their gates and weights."""

    masks: Masks
    gates: Array
    weights: Array
    intercept: float

    @classmethod
    def none(cls, problem: TrainingProblem) -> Units:
        """No units, and the best intercept."""
        n, dimension = problem.design.shape
        masks, gates = np.zeros((0, n), dtype=bool), np.zeros((0, dimension))
        return cls(masks, gates, np.zeros(0), problem.best_intercept(np.zeros(n)))

    @property
    def width(self) -> int:
        """Number of nonzero weights."""
        return int(np.count_nonzero(self.weights))

    def outputs(self) -> Array:
        """Outputs on the training data, with patterns applied as masks."""
        return self.weights @ self.masks + self.intercept

    def objective(self, problem: TrainingProblem) -> float:
        """Objective of the lasso."""
        penalty = problem.alpha * float(np.abs(self.weights).sum())
        return problem.data_fit(self.outputs()) + penalty

    def with_columns(self, masks: Masks, gates: Array) -> Units:
        """These and other units, with new weights of zero."""
        weights = np.append(self.weights, np.zeros(len(masks)))
        masks, gates = np.vstack([self.masks, masks]), np.vstack([self.gates, gates])
        return Units(masks, gates, weights, self.intercept)

    def network(
        self, problem: TrainingProblem, *, centred: bool = True, deadline: float = math.inf
    ) -> ThresholdNetwork:
        """The units with nonzero weights, every gate in the centre of its cell if that is wanted and found in time."""
        used = np.flatnonzero(self.weights)
        gates = [self.gates[k] for k in used]
        if centred:
            centres = [
                cell_centre(problem.design, self.masks[k])
                if product_fits(_CENTRE * float(problem.design.size), deadline)
                else None
                for k in used
            ]
            gates = [
                gate if centre is None else centre
                for gate, centre in zip(gates, centres, strict=True)
            ]
        return ThresholdNetwork(
            np.array(gates).reshape(len(used), self.gates.shape[1]),
            self.weights[used],
            self.intercept,
            bool(problem.hidden_bias),
        )
