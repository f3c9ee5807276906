"""Anything that is no good in place of an argument is refused by its name, without a warning from NumPy."""

import re
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    NTKRidge,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    regularization_path,
    train,
)
from convexrelu.interpolation import minimum_norm

N = 6
RNG = np.random.default_rng(0)
X, Y, WEIGHTS = RNG.standard_normal((N, 2)), RNG.standard_normal(N), np.ones(N)
LABELS = np.array([0, 1] * (N // 2))
NETWORK = TwoLayerNetwork([[1.0, 0.0]], [0.0], [[1.0]], [0.0])


def problem(X=X, y=Y, alpha=0.1, sample_weight=None):
    return TrainingProblem(X, y, alpha, sample_weight=sample_weight)


def call_train(tol=1e-3, time_limit=None, **data):
    return train(problem(**data), tol=tol, time_limit=time_limit)


def call_path(alpha=0.1, tol=1e-3, time_limit=None, **data):
    return regularization_path(problem(**data), [1.0, alpha], tol=tol, time_limit=time_limit)


def call_certify(X=X, y=Y, alpha=0.1, **options):
    return certify(NETWORK, X, y, alpha=alpha, **options)


def call_fit(estimator, X=X, y=Y, sample_weight=None, **parameters):
    return estimator(**parameters).fit(X, y, sample_weight)


def call_classifier(X=X, y=LABELS, **options):
    return call_fit(ConvexReLUClassifier, X, y, **options)


def call_cv(alpha=0.1, **options):
    return call_fit(ConvexReLURegressorCV, alphas=[1.0, alpha], cv=2, **options)


DATA, NUMBERS = ("X", "y", "sample_weight"), ("alpha", "tol", "time_limit")
CALLS = {
    "problem": (problem, (*DATA, "alpha")),
    "train": (call_train, (*DATA, *NUMBERS)),
    "path": (call_path, (*DATA, *NUMBERS)),
    "certify": (call_certify, (*DATA, *NUMBERS)),
    "minimum norm": (
        lambda **o: minimum_norm(**{"X": X, "y": Y, **o}),
        ("X", "y", "tol", "time_limit"),
    ),
    "regressor": (lambda **o: call_fit(ConvexReLURegressor, **o), (*DATA, *NUMBERS)),
    "classifier": (call_classifier, (*DATA, *NUMBERS)),
    "CV": (call_cv, (*DATA, *NUMBERS)),
    "kernel ridge": (lambda **o: call_fit(NTKRidge, **o), (*DATA, "alpha")),
}
FITS = ("regressor", "classifier", "CV", "kernel ridge")


def changed(array, k, value, dtype=float):
    """A copy with another entry at place `k`, counted round."""
    array = np.array(array, dtype=dtype)
    array.flat[k % array.size] = value
    return array


def table(array):
    return pd.DataFrame(array) if array.ndim == 2 else pd.Series(array)


def masked(array, k):
    mask = np.zeros(np.shape(array), dtype=bool)
    mask.flat[k % mask.size] = True
    return np.ma.array(array, mask=mask)


def with_unit(array, unit, k, value):
    dates = np.array(array).astype(np.int64).astype(unit)
    dates.flat[k % dates.size] = value
    return dates


ARRAYS = {
    "NaN": lambda a, k: changed(a, k, np.nan),
    "infinity": lambda a, k: changed(a, k, np.inf),
    "minus infinity": lambda a, k: changed(a, k, -np.inf),
    "NaN in a list": lambda a, k: changed(a, k, np.nan).tolist(),
    "None": lambda a, k: changed(a, k, None, object),
    "NA of pandas": lambda a, k: table(changed(a, k, pd.NA, object)),
    "complex": lambda a, k: changed(a, k, 1j, complex),
    "complex objects": lambda a, k: changed(a, k, np.complex128(1j), object),
    "complex list": lambda a, k: changed(a, k, 1j, complex).tolist(),
    "dates": lambda a, k: with_unit(a, "M8[s]", k, 5),
    "NaT": lambda a, k: with_unit(a, "M8[ns]", k, "NaT"),
    "NaT as object": lambda a, k: changed(a, k, np.datetime64("NaT"), object),
    "dates in a table": lambda a, k: table(with_unit(a, "M8[ns]", k, "NaT")),
    "time differences": lambda a, k: with_unit(a, "m8[s]", k, 5),
    "time difference as object": lambda a, k: changed(a, k, np.timedelta64(5, "s"), object),
    "records": lambda a, k: np.zeros(np.shape(a), dtype=[("a", float)]),
    "records of two": lambda a, k: np.zeros(np.shape(a), dtype=[("a", float), ("b", int)]),
    "bytes": lambda a, k: np.zeros(np.shape(a), dtype="V8"),
    "masked": masked,
    "masked in a list": lambda a, k: list(masked(a, k)),
    "huge integers": lambda a, k: changed(a, k, 10**400, object),
    "long floats": lambda a, k: changed(a, k, np.finfo(np.longdouble).max, np.longdouble),
    "words": lambda a, k: changed(a, k, "word", object),
    "dictionaries": lambda a, k: changed(a, k, {"a": 1}, object),
    "another shape": lambda a, k: np.stack([a] * 3, axis=-1)[..., None],
    "ragged": lambda a, k: [[1.0], [1.0, 2.0]] * (N // 2),
    "no array": lambda a, k: object(),
}
# What is said without a name, in the words of scikit-learn.
UNNAMED = r"|[Ss]ample weights|Found array with dim|Unknown label type|bad input shape"
VALUES = {
    "NaN": np.nan,
    "infinity": np.inf,
    "minus infinity": -np.inf,
    "negative": -1.0,
    "huge integer": 10**400,
    "huge negative integer": -(10**400),
    "huge fraction": Fraction(10**400, 3),
    "long float": np.finfo(np.longdouble).max,
    "word": "word",
    "truth": True,
    "complex": 1j,
    "date": np.datetime64("NaT"),
    "time difference": np.timedelta64(5, "s"),
    "list": [0.1],
    "array": np.array([0.1, 0.2]),
    "masked": np.ma.masked,
    "object": object(),
}
PENALTIES = {
    "zero": 0.0,
    "tiny fraction": Fraction(1, 10**400),
    "overflowing": 1e308,
    "None": None,
}


def bad_values(name, argument):
    """Kinds of what is no good there, with a value of each."""
    if argument in NUMBERS:
        return VALUES | PENALTIES if argument == "alpha" else VALUES
    targets = LABELS if name == "classifier" else Y
    good = {"X": X, "y": targets, "sample_weight": WEIGHTS}[argument]
    places = np.random.default_rng(0).integers(good.size, size=len(ARRAYS))
    return {kind: make(good, k) for (kind, make), k in zip(ARRAYS.items(), places, strict=True)}


def is_valid_after_all(name, argument, kind):
    """What one of the functions takes."""
    if kind in ("long floats", "long float"):
        return np.longdouble == np.float64
    if name == "classifier" and argument == "y":
        return kind in ("dates", "time differences")  # labels are names
    if argument == "alpha" and kind == "truth":
        return name in ("path", "CV", "kernel ridge")  # an array of numbers has it as 1
    return name == "kernel ridge" and kind in ("overflowing", "zero")  # where nothing overflows


@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name in CALLS for argument in CALLS[name][1]]
)
def test_bad_arguments_are_refused_by_name(name, argument):
    function, _ = CALLS[name]
    names = rf"\b{argument}\b" + (r"|\balphas\b" if argument == "alpha" else "")
    allowed = names + UNNAMED if name in FITS else names
    for kind, value in bad_values(name, argument).items():
        if is_valid_after_all(name, argument, kind):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises((ValueError, TypeError)) as caught:
                function(**{argument: value})
        assert re.search(allowed, str(caught.value)), (kind, str(caught.value))
