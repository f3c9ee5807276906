"""What the functions of the landscape refuse: messages name the argument."""

import numpy as np
from sklearn.linear_model import LinearRegression

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu import landscape as room
from tests.bad_input import assert_named, each_argument

X = np.linspace(-1, 1, 8)[:, None]
Y = np.abs(X[:, 0])
CLASSES = Y > 0.5
NETWORK = TwoLayerNetwork([[1.0], [-1.0]], [0.1, 0.1], [[1.0, 1.0]], [0.0])
PROBLEM = TrainingProblem(X, Y, 0.05)
LANDSCAPE = room.LossLandscape(X, Y, 2)
POINT = np.ones(LANDSCAPE.size)
NAN = np.full_like(X, np.nan)
OTHERS = [LinearRegression(), None, TwoLayerNetwork([[1.0, 2.0]], [0.0], [[1.0]], [0.0])]
COUNTS = [-1, 0, 1.5, "3", None]
SIZES = [-1.0, np.nan, "3"]
POINTS = [np.nan * POINT, POINT[:3], "x", None]

CASES = {
    room.LossLandscape: (
        {"X": X, "y": Y, "width": 2},
        {"X": [NAN], "width": COUNTS, "alpha": SIZES, "fit_intercept": ["x"]}
        | {"negative_slope": [np.nan, "x"]},
    ),
    room.LossLandscape.from_problem: (
        {"problem": PROBLEM, "width": 2},
        {"problem": OTHERS, "width": COUNTS},
    ),
    room.find_minima: (
        {"landscape": LANDSCAPE, "n_starts": 1, "max_iter": 1},
        {"landscape": OTHERS, "n_starts": COUNTS, "gtol": SIZES, "max_iter": [-1, 1.5]}
        | {"starts": [POINT[None] * np.nan, POINT[:3], "x"]},
    ),
    room.walk: (
        {"landscape": LANDSCAPE, "n_walks": 1, "n_steps": 1},
        {"landscape": OTHERS, "n_walks": COUNTS, "keep_every": COUNTS, "step": SIZES}
        | {"bounds": [(1, 0), 3, None, ("a", "b")], "kind": ["x"]},
    ),
    room.curvature: (
        {"landscape": LANDSCAPE, "points": POINT},
        {"landscape": OTHERS, "points": POINTS, "rtol": SIZES, "atol": SIZES},
    ),
    room.hessian_null_space: (
        {"landscape": LANDSCAPE, "point": POINT},
        {"landscape": OTHERS, "point": POINTS},
    ),
    room.ill_posedness: (
        {"landscape": LANDSCAPE, "point": POINT},
        {"landscape": OTHERS, "point": POINTS, "rtol": SIZES, "tol": SIZES},
    ),
    room.path_heights: (
        {"landscape": LANDSCAPE, "minima": np.stack([POINT, -POINT]), "n_iter": 1},
        {"landscape": OTHERS, "minima": POINTS, "n_pivots": COUNTS, "n_iter": COUNTS}
        | {"step": SIZES, "spring": SIZES},
    ),
    room.minimax_heights: ({"heights": np.eye(2)}, {"heights": [np.ones((2, 3)), NAN, "x"]}),
    room.saturation: (
        {"landscape": LANDSCAPE, "points": POINT},
        {"landscape": OTHERS, "points": POINTS, "tol": SIZES},
    ),
    room.linear_units: ({"network": NETWORK, "X": X}, {"network": OTHERS[:2], "X": [NAN, Y, "x"]}),
    room.linear_separability: (
        {"features": X, "y": CLASSES, "n_folds": 2},
        {"features": [NAN, Y, "x"], "n_folds": COUNTS},
    ),
    room.leave_one_out: (
        {"fit": lambda X, y: NETWORK, "X": X, "y": Y},
        {"fit": [None, 3], "X": [NAN, Y], "y": [Y[:3], Y * np.nan]},
    ),
    room.join_in_cell: (
        {"first": NETWORK, "second": NETWORK, "problem": PROBLEM},
        {"first": OTHERS, "second": OTHERS, "problem": OTHERS},
    ),
    room.direct_path: (
        {"problem": PROBLEM, "start": NETWORK, "end": NETWORK},
        {"problem": OTHERS, "start": OTHERS, "end": OTHERS},
    ),
    room.optimal_connectivity: ({"optima": None}, {"optima": OTHERS}),
    room.optimal_path: (
        {"found": None, "start": NETWORK, "end": NETWORK, "width": 2},
        {"found": OTHERS},
    ),
    room.vertex_descent: (
        {"network": NETWORK, "X": X, "y": Y},
        {"network": OTHERS[:2], "max_vertices": COUNTS, "hidden_bias": ["x", 3]},
    ),
}


@each_argument(CASES)
def test_the_argument_is_named(function, name):
    assert_named(CASES, function, name)
