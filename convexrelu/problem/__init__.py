"""The training problem: data, loss and penalties, the primal objective and its dual."""

from convexrelu.problem.dual import best_scale, level_for, lower_bound
from convexrelu.problem.largest_penalty import at_least_largest_penalty
from convexrelu.problem.sample_coordinates import SampleCoordinates
from convexrelu.problem.training_problem import TrainingProblem, Units
from convexrelu.problem.validation import ACTIVATIONS

__all__ = [
    "ACTIVATIONS",
    "SampleCoordinates",
    "TrainingProblem",
    "Units",
    "at_least_largest_penalty",
    "best_scale",
    "level_for",
    "lower_bound",
]
