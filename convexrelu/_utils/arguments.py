"""Checks of options and arrays; messages name the argument, its value and what is accepted.

Estimators check by scikit-learn, see :mod:`~convexrelu.estimators.data`. These are for functions, and come
before scikit-learn's checks: ``check_array`` makes numbers of dates, and of entries that are masked.
"""

from __future__ import annotations

import datetime
import numbers
import re
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from convexrelu._utils.typing import Array

__all__ = [
    "LARGEST_PENALTY",
    "as_float",
    "check_callable",
    "check_choice",
    "check_kind",
    "check_limits",
    "check_number",
    "check_positive",
    "check_type",
    "checked_flag",
    "finite_array",
    "float_array",
    "has_masked_entries",
    "is_number",
    "plain",
    "shown",
    "without_numpy",
]

# Penalties up to here leave room below the largest float64 for their products with the sizes of networks.
LARGEST_PENALTY = 1e300
_KINDS = {
    "M": "Dates are not supported; use numbers, such as days since the first",
    "m": "Time differences are not supported; use numbers, such as days",
    "V": "Records are not supported; use columns side by side",
    "c": "Complex data not supported",
}
_DTYPES: dict[type, str] = {complex: "c16", datetime.date: "M8[s]", datetime.timedelta: "m8[s]"}
_KINDS_OF_PYTHON = tuple(_DTYPES)


def shown(value: object) -> str:
    """The value for a message: NumPy's scalars, also in lists and dicts, as plain numbers and strings.

    Examples
    --------
    >>> shown(np.int64(2)), shown({np.str_("a"): np.float64(0.0)})
    ('2', "{'a': 0.0}")
    """
    return repr(plain(value))


def plain(value: Any) -> Any:
    """The value, with NumPy's scalars replaced by those of Python, also in lists and dicts; arrays stay."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)  # Python's own types of them differ by their units
    if isinstance(value, np.longdouble):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {plain(key): plain(entry) for key, entry in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(map(plain, value))
    return value


def without_numpy(message: str) -> str:
    """A message of another library, with NumPy's scalars as plain numbers and strings.

    Examples
    --------
    >>> without_numpy("could not convert string to float: np.str_('u')")
    "could not convert string to float: 'u'"
    """
    return re.sub(r"\bnp\.\w+\(((?:'[^']*'|[^()'])*)\)", r"\1", message)


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise an error if a value is not one of the choices."""
    if value not in choices:
        raise ValueError(
            f"{name}={shown(value)} is not known; available: {', '.join(map(repr, choices))}"
        )


def is_number(value: object) -> bool:
    """Whether this is a real number: no truth value, and no time difference, which NumPy calls an integer."""
    if type(value) is float:
        return True
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.timedelta64)


def as_float(value: Any) -> float:
    """A real number in float64: infinity where it is too large, which a check of its range then refuses."""
    if type(value) is float:
        return value
    try:
        with np.errstate(over="ignore"):
            return float(value)
    except OverflowError:  # of an integer or a fraction
        return float("inf") if value > 0 else float("-inf")


def check_number(name: str, value: Any, kind: type, least: float) -> None:
    """Raise an error if a value is not a finite number of this kind, or is below `least`."""
    most = sys.maxsize if kind is numbers.Integral else sys.float_info.max
    if not (is_number(value) and isinstance(value, kind) and least <= as_float(value) <= most):
        kinds = "an integer" if kind is numbers.Integral else "a number"
        raise ValueError(f"{name}={shown(value)} is not {kinds} of at least {least}")


def check_type(name: str, value: Any, kind: type) -> None:
    """Raise an error for what is not of this class, such as an estimator where a network is expected."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} is a {type(value).__name__}, expected {kind.__name__}")


def checked_flag(name: str, value: Any) -> bool:
    """True or False, also from 0 and 1, or a ValueError."""
    if not isinstance(value, bool | np.bool_ | int) or value not in (0, 1):
        raise ValueError(f"{name}={shown(value)} is not True or False")
    return bool(value)


def check_positive(name: str, value: Any) -> None:
    """Raise an error for what is not a positive finite number."""
    if not (is_number(value) and 0 < as_float(value) < float("inf")):
        raise ValueError(f"{name}={shown(value)} is not a positive finite number")


def check_callable(name: str, value: Any) -> None:
    """Raise an error for what cannot be called."""
    if not callable(value):
        raise ValueError(f"{name} is a {type(value).__name__}, expected a callable")


def check_limits(tol: Any, max_iter: Any, time_limit: Any) -> None:
    """Raise an error if these options of training are not numbers that it takes."""
    check_number("max_iter", max_iter, numbers.Integral, 1)
    check_number("tol", tol, numbers.Real, 0)
    if time_limit is not None:
        check_number("time_limit", time_limit, numbers.Real, 0)


def has_masked_entries(value: Any) -> bool:
    """Whether entries are masked, also of a list's; NumPy would make NaN of the latter, and warn."""
    parts = value if isinstance(value, list | tuple) else [value]
    return any(np.ma.is_masked(part) for part in parts)


def check_kind(name: str, value: Any) -> None:
    """Raise an error for what NumPy would turn into numbers that nobody meant.

    These are dates and time differences, whose ``NaT`` becomes -9.2e18, records, complex numbers, whose imaginary part
    would be lost, and masked entries, whose mask would be. Lists and object arrays are looked through.
    """
    if isinstance(value, list | tuple):
        _check_entries(name, value)
        return
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries, which are not supported; fill or drop them")
    array = value if issparse(value) else _as_array(name, value)
    _check_dtype(name, array.dtype)
    if array.dtype.kind == "O" and not issparse(array):
        _check_entries(name, array.ravel().tolist())


def _check_entries(name: str, entries: Any) -> None:
    for entry in entries:
        if isinstance(entry, np.generic):
            _check_dtype(name, entry.dtype)
        elif isinstance(entry, _KINDS_OF_PYTHON):
            kind = next(kind for kind in _KINDS_OF_PYTHON if isinstance(entry, kind))
            _check_dtype(name, np.dtype(_DTYPES[kind]))
        elif isinstance(entry, np.ndarray | list | tuple):
            check_kind(name, entry)


def _check_dtype(name: str, dtype: np.dtype) -> None:
    if dtype.kind in _KINDS:
        raise ValueError(f"{name} is not an array of real numbers: {_KINDS[dtype.kind]}")


def _as_array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # the last from tensors
        raise ValueError(f"{name} is not an array of numbers: {error}") from error


def float_array(name: str, value: ArrayLike) -> Array:
    """A float64 copy of an array of real numbers, or a ValueError that calls it `name`; it may have NaN.

    Examples
    --------
    >>> import numpy as np
    >>> float_array("y", np.array(["2024-01-01"], dtype="datetime64[D]"))
    Traceback (most recent call last):
        ...
    ValueError: y is not an array of real numbers: Dates are not supported; use numbers, such as days since the first
    """
    if type(value) is np.ndarray and value.dtype == np.float64:
        # Nothing to check, in an eighth of the time: trainings make many small networks.
        return value.copy()
    if issparse(value):
        raise ValueError(f"{name} is sparse, which is not supported; use {name}.toarray()")
    check_kind(name, value)
    array = _as_array(name, value)
    try:
        with np.errstate(over="ignore"):  # of longer floats, which become infinite
            return np.array(array, dtype=np.float64, order="C")
    except OverflowError as error:
        raise ValueError(f"{name} has entries that are too large for float64") from error
    except (TypeError, ValueError) as error:
        reason = without_numpy(str(error))
        raise ValueError(f"{name} is not an array of numbers: {reason}") from error


def finite_array(name: str, value: ArrayLike, *shape: int | str) -> Array:
    """A float64 copy of finite numbers whose squares do not overflow, or a ValueError that calls it `name`.

    Letters in `shape` stand for any length of at least one; without `shape`, any shape is accepted.

    Examples
    --------
    >>> finite_array("X", [[1, 2], [3, 4]], "n", 3)
    Traceback (most recent call last):
        ...
    ValueError: X has shape (2, 2), expected (n, 3)
    """
    array = float_array(name, value)
    if shape and not _fits(array.shape, shape):
        expected = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} has shape {array.shape}, expected ({expected})")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # In a sixth of the time of looking at each entry, and at each square.
        flat = array.reshape(-1)
        if np.isfinite(flat @ flat):
            return array
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} contains NaN or infinity{_first_of(name, array)}; all entries must be finite"
        )
    raise ValueError(
        f"{name} has entries up to {np.abs(array).max():.3g}, whose squares overflow float64; rescale it"
    )


def _first_of(name: str, array: Array) -> str:
    """The first entry of a table that is not finite, with its place."""
    if array.ndim < 2:  # a number, or what is stored of a sparse matrix
        return ""
    place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
    return f", first {name}[{', '.join(map(str, place))}] = {array[place]:g}"


def _fits(given: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    return len(given) == len(expected) and all(
        size > 0 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(given, expected, strict=True)
    )
