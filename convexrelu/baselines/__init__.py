"""Other ways of training a two-layer network, to compare with: optimisers and losses for torch.

* :func:`~convexrelu.baselines.descend` runs any of them on a training problem and records the objective.
* Optimisers: :class:`~convexrelu.baselines.PathSGD`,
  :class:`~convexrelu.baselines.GradientOnlyLineSearch` and
  :class:`~convexrelu.baselines.NormalisedGradient`, with the conventions of torch.
* Schedules of targets and weights: :class:`~convexrelu.baselines.LabelNoise` and
  :class:`~convexrelu.baselines.DynamicalLoss`.

None of them proves anything; :func:`~convexrelu.train` and :func:`~convexrelu.certify` say how far from the optimum
they end. Names are imported on first use, as most need torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convexrelu.baselines.descent import Descent, DescentStep, descend
    from convexrelu.baselines.dynamical_loss import DynamicalLoss
    from convexrelu.baselines.gradient_only import GradientOnlyLineSearch
    from convexrelu.baselines.label_noise import LabelNoise, implicit_regulariser
    from convexrelu.baselines.label_noise_fit import LabelNoiseFit, label_noise_program
    from convexrelu.baselines.margins import MaximumMargin, maximum_margin, normalised_margin
    from convexrelu.baselines.normalised_flow import (
        NormalisedFlow,
        NormalisedGradient,
        follow_normalised_flow,
    )
    from convexrelu.baselines.path_sgd import PathSGD
    from convexrelu.baselines.ways_down_display import WaysDownDisplay

_HOME = {
    "Descent": "descent",
    "DescentStep": "descent",
    "DynamicalLoss": "dynamical_loss",
    "GradientOnlyLineSearch": "gradient_only",
    "LabelNoise": "label_noise",
    "LabelNoiseFit": "label_noise_fit",
    "MaximumMargin": "margins",
    "NormalisedFlow": "normalised_flow",
    "NormalisedGradient": "normalised_flow",
    "PathSGD": "path_sgd",
    "WaysDownDisplay": "ways_down_display",
    "descend": "descent",
    "implicit_regulariser": "label_noise",
    "label_noise_program": "label_noise_fit",
    "maximum_margin": "margins",
    "follow_normalised_flow": "normalised_flow",
    "normalised_margin": "margins",
}

__all__ = [
    "Descent",
    "DescentStep",
    "DynamicalLoss",
    "GradientOnlyLineSearch",
    "LabelNoise",
    "LabelNoiseFit",
    "MaximumMargin",
    "NormalisedFlow",
    "NormalisedGradient",
    "PathSGD",
    "WaysDownDisplay",
    "descend",
    "follow_normalised_flow",
    "implicit_regulariser",
    "label_noise_program",
    "maximum_margin",
    "normalised_margin",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # also where a module has the same name
    return value
