"""Loss functions: one class per loss, one file per family.

Methods work sample by sample and do not depend on the network or the penalty;
:class:`~convexrelu.problem.TrainingProblem` averages and adds. A loss is written once and serves the primal,
the dual, the certificate and the cvxpy programs. A custom loss is a subclass of one of the base classes: see
:doc:`/guides/write_a_loss`. `LOSSES` lists the named losses.
"""

from convexrelu.losses.base import Loss, PiecewiseQuadraticLoss, SeparableLoss
from convexrelu.losses.classification import Hinge, Logistic, SquaredHinge
from convexrelu.losses.multinomial import Multinomial
from convexrelu.losses.quantile_levels import Quantiles
from convexrelu.losses.regression import (
    AbsoluteError,
    Huber,
    Poisson,
    Quantile,
    RealTargets,
    SquaredError,
)
from convexrelu.losses.weighted_outputs import WeightedOutputs

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "Hinge",
    "Huber",
    "Logistic",
    "Loss",
    "Multinomial",
    "PiecewiseQuadraticLoss",
    "Poisson",
    "Quantile",
    "Quantiles",
    "RealTargets",
    "SeparableLoss",
    "SquaredError",
    "SquaredHinge",
    "WeightedOutputs",
]

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        SquaredError,
        AbsoluteError,
        Huber,
        Quantile,
        Poisson,
        Logistic,
        Hinge,
        SquaredHinge,
        Multinomial,
    )
}
