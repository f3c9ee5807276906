"""What the functions of the baselines refuse: messages name the argument."""

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu import baselines as room
from convexrelu.baselines import planted
from tests.bad_input import assert_named, each_argument

X = np.linspace(-1, 1, 8)[:, None]
CLASSES = np.where(X[:, 0] > 0, 1.0, -1.0)
NETWORK = TwoLayerNetwork([[1.0], [-1.0]], [0.1, 0.1], [[1.0, 1.0]], [0.0])
PROBLEM = TrainingProblem(X, np.abs(X[:, 0]), 0.05)
OTHERS = [LinearRegression(), torch.nn.Linear(1, 1), "x"]
OTHER_NETWORKS = [*OTHERS, TwoLayerNetwork([[1.0, 2.0]], [0.0], [[1.0]], [0.0])]
COUNTS = [-1, 0, 1.5, "3", None]
SIZES = [-1.0, np.nan, np.inf, "3"]
INPUTS = [X * np.nan, X[:0], X[:, 0], "x", None]
LABELS = [CLASSES[:3], CLASSES[:1], 2 * CLASSES, np.nan * CLASSES, "x", None]
PARAMETERS = [torch.nn.Parameter(torch.ones(2, 1)), torch.nn.Parameter(torch.ones(1, 2))]

CASES = {
    room.descend: (
        {"problem": PROBLEM, "width": 2, "steps": 1},
        {"problem": OTHERS, "width": COUNTS, "optimiser": ["x", 3], "rate": SIZES}
        | {"alpha": SIZES, "schedule": [3], "start": OTHER_NETWORKS, "every": COUNTS},
    ),
    room.LabelNoise: ({"scale": 1.0}, {"scale": SIZES}),
    room.implicit_regulariser: (
        {"network": NETWORK, "problem": PROBLEM},
        {"network": OTHER_NETWORKS, "problem": OTHERS},
    ),
    room.label_noise_program: (
        {"problem": PROBLEM, "strength": 0.1},
        {"problem": OTHERS, "strength": [0.0, *SIZES]}
        | {"gates": ["x", [[1.0]], np.full((2, 2), np.nan)]},
    ),
    room.DynamicalLoss: (
        {"classes": [0, 1]},
        {"classes": [None, [], 3], "amplitude": [0.5, *SIZES], "period": [1, *COUNTS]},
    ),
    room.normalised_margin: (
        {"network": NETWORK, "X": X, "y": CLASSES},
        {"network": OTHERS, "X": INPUTS, "y": LABELS},
    ),
    room.maximum_margin: ({"X": X, "y": CLASSES}, {"X": INPUTS, "y": LABELS}),
    room.follow_normalised_flow: (
        {"X": X, "y": CLASSES, "width": 2, "steps": 1},
        {"X": INPUTS, "y": LABELS, "width": COUNTS, "steps": [-1, 1.5], "every": COUNTS}
        | {"rate": [0.0, *SIZES], "scale": SIZES, "hidden_bias": ["x"], "fit_intercept": [3]},
    ),
    room.PathSGD: ({"params": PARAMETERS}, {"lr": SIZES, "damping": SIZES}),
    room.GradientOnlyLineSearch: ({"params": PARAMETERS}, {"lr": SIZES, "rtol": SIZES}),
    room.NormalisedGradient: ({"params": PARAMETERS}, {"lr": SIZES}),
    planted.planted_network: (
        {"n_features": 2, "width": 2},
        {"n_features": COUNTS, "width": COUNTS, "bias_scale": SIZES},
    ),
    planted.population_moments: ({"network": NETWORK}, {"network": OTHERS}),
    planted.recover_network: ({"moments": None, "width": 2}, {"moments": OTHERS}),
    planted.neuron_error: (
        {"network": NETWORK, "teacher": NETWORK},
        {"network": OTHER_NETWORKS, "teacher": OTHERS},
    ),
}


@each_argument(CASES)
def test_the_argument_is_named(function, name):
    assert_named(CASES, function, name)
