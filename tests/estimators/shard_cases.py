"""Several labels, missing targets and exposures, of which processes have parts, and estimators for them."""

import numpy as np

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor

RANDOM = np.random.RandomState(4)
N, FIRST = 300, 90  # rows, and those of the first process
X = RANDOM.standard_normal((N, 2))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 1]
WEIGHT = np.where(np.arange(N) % 7 == 0, 0.0, RANDOM.uniform(0.5, 2.0, N))
LATE = np.arange(N) >= FIRST
# The first process lacks one kind of the first label; all samples with weight have the last one.
LABELS = np.column_stack([(SIGNAL > 0.5) & LATE, X[:, 1] > 0.3, WEIGHT > 0]).astype(int)
TARGETS = np.column_stack([SIGNAL, np.maximum(X[:, 1], 0)]) + 0.1 * RANDOM.standard_normal((N, 2))
GAPS = np.where(RANDOM.random_sample((N, 2)) < 0.3, np.nan, TARGETS)
GAPS[:FIRST, 1] = np.nan  # and the second output
GAPS[-5:] = np.nan
EXPOSURE = RANDOM.uniform(0.5, 3.0, N)
COUNTS = RANDOM.poisson(EXPOSURE * np.exp(0.5 * SIGNAL)) * LATE
CLASSES = np.array(["low", "mid", "top"])[np.digitize(SIGNAL, [0.0, 0.8])]
OPTIONS = {"alpha": 0.05, "tol": 0.05, "random_state": 0}
IGNORE = {"missing_targets": "ignore"}


def classifier(**options):
    return ConvexReLUClassifier(**OPTIONS | options)


def regressor(**options):
    return ConvexReLURegressor(**OPTIONS | options)


def counting(**options):
    return regressor(loss="poisson", **options)


CASES = {
    "labels": (classifier(), LABELS, {"sample_weight": WEIGHT}),
    "gaps": (regressor(**IGNORE), GAPS, {"sample_weight": WEIGHT}),
    "gaps of one output": (regressor(**IGNORE), GAPS[:, 1], {}),
    "exposure": (counting(), COUNTS, {"sample_weight": WEIGHT, "exposure": EXPOSURE}),
    "exposure and gaps": (
        counting(**IGNORE),
        np.column_stack([COUNTS, np.where(np.isnan(GAPS[:, 1]), np.nan, COUNTS)]),
        {"exposure": EXPOSURE},
    ),
    "classes": (classifier(class_weight={"mid": 0.0}), CLASSES, {"sample_weight": WEIGHT}),
}


def copy_of(estimator):
    return type(estimator)(**estimator.get_params())
