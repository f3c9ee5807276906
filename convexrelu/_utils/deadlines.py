"""Whether a dense computation, which cannot be interrupted, fits before a deadline: by its size, beforehand.

Deadlines are values of :func:`time.perf_counter`. Infinity means that there is none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Self

__all__ = [
    "Deadline",
    "EarlyDeadline",
    "conic_program_fits",
    "latest_start",
    "little_later",
    "part_before",
    "product_fits",
    "seconds_before",
    "seconds_to_prepare",
    "svd_fits",
]

# Seconds for each multiplication, at one thread beside other work: three times the fastest ones measured on two cores
# (products 4e-11, singular vectors 5e-10 for square matrices and 1.6e-9 for tall ones).
_PRODUCT = 1e-10
_SVD = 2e-9
# Seconds for each entry of the matrices of a conic program in which cvxpy writes it down, and in which a solver
# prepares and takes a step: twice those on an idle core.
_WRITING, _PREPARING = 1e-6, 1e-6
# How much later the first step of a solver may end, which is worth most: part of the time that is left, and seconds.
_LATER, _SECONDS_LATER = 0.1, 0.05
_ALWAYS = 0.01  # seconds that a computation may take even when time is up: no one notices, and its result is worth more


class Deadline(float):
    """A deadline that other processes and machines understand, when it is pickled: their clocks count from elsewhere.

    What travels is the time of day, which clocks of machines agree on.

    Examples
    --------
    >>> import pickle
    >>> deadline = Deadline(time.perf_counter() + 60.0)
    >>> abs(pickle.loads(pickle.dumps(deadline)) - deadline) < 1.0
    True
    """

    def __reduce__(self) -> tuple[Callable[[float], Deadline], tuple[float]]:
        """As a time of day."""
        return _from_time_of_day, (time.time() + (float(self) - time.perf_counter()),)


def _from_time_of_day(end: float) -> Deadline:
    return Deadline(time.perf_counter() + (end - time.time()))


class EarlyDeadline(float):
    """A deadline that has passed, whatever the time is, as soon as something has happened.

    Long computations look at their deadline often, and need not know what else may end them.

    Examples
    --------
    >>> signs = []
    >>> deadline = EarlyDeadline(math.inf, lambda: bool(signs))
    >>> time.perf_counter() > deadline
    False
    >>> signs.append("the others have gone")
    >>> time.perf_counter() > deadline, deadline - time.perf_counter()
    (True, -inf)
    """

    _has_happened: Callable[[], bool]

    def __new__(cls, deadline: float, has_happened: Callable[[], bool]) -> Self:
        """The deadline, and what else to ask."""
        own = super().__new__(cls, deadline)
        own._has_happened = has_happened
        return own

    @property
    def _passes(self) -> float:
        return -math.inf if self._has_happened() else float(self)

    def __lt__(self, now: float) -> bool:
        """Whether it has passed at that time."""
        return self._passes < now

    def __le__(self, now: float) -> bool:
        """Whether it has passed, or passes at that time."""
        return self._passes <= now

    def __gt__(self, now: float) -> bool:
        """Whether it has not passed at that time."""
        return self._passes > now

    def __ge__(self, now: float) -> bool:
        """Whether it has not passed before that time."""
        return self._passes >= now

    def __sub__(self, now: float) -> float:
        """The seconds that are left at that time."""
        return self._passes - now


def product_fits(n_products: float, deadline: float) -> bool:
    """Whether products of matrices of so many multiplications, or Cholesky factors, end before the deadline.

    Examples
    --------
    >>> product_fits(1e30, math.inf), product_fits(1e30, time.perf_counter() + 60)
    (True, False)
    """
    return _fits(_PRODUCT * n_products, deadline)


def is_brief(n_products: float) -> bool:
    """Whether products of so many multiplications take so little time that they are made when time is up.

    Examples
    --------
    >>> is_brief(1e6), is_brief(1e10)
    (True, False)
    """
    return _PRODUCT * n_products <= _ALWAYS


def latest_start(n_products: float, deadline: float) -> float:
    """Time at which products of so many multiplications have to begin, to end before the deadline.

    Examples
    --------
    >>> latest_start(1e30, math.inf), latest_start(1e10, 5.0)
    (inf, 4.0)
    """
    return deadline - _PRODUCT * n_products


def little_later(deadline: float) -> float:
    """Time at which what is worth most, like the first step of a solver, may end: hardly anyone notices.

    Examples
    --------
    >>> little_later(math.inf), little_later(0.0)
    (inf, 0.05)
    """
    return deadline + _SECONDS_LATER + _LATER * max(deadline - time.perf_counter(), 0.0)


def svd_fits(shape: tuple[int, ...], deadline: float) -> bool:
    """Whether a singular value decomposition, or a QR one, of a matrix of this shape ends before the deadline.

    Examples
    --------
    >>> svd_fits((100, 10), time.perf_counter() + 60), svd_fits((10**5, 10**5), time.perf_counter() + 60)
    (True, False)
    """
    return _fits(_SVD * max(shape) * min(shape) ** 2, deadline)


def conic_program_fits(n_entries: float, deadline: float) -> bool:
    """Whether cvxpy writes a program with so many entries of matrices down, and a solver begins, before the deadline.

    Examples
    --------
    >>> conic_program_fits(1e12, math.inf), conic_program_fits(1e12, time.perf_counter() + 60)
    (True, False)
    """
    writing = _WRITING * n_entries
    return time.perf_counter() + writing + seconds_to_prepare(n_entries) < deadline


def seconds_to_prepare(n_entries: float) -> float:
    """Seconds in which a conic solver prepares a program with so many entries of matrices, and takes a step.

    Examples
    --------
    >>> seconds_to_prepare(1e6)
    1.0
    """
    return _PREPARING * n_entries


def _fits(seconds: float, deadline: float) -> bool:
    return seconds <= max(deadline - time.perf_counter(), _ALWAYS)


def seconds_before(deadline: float, share: float = 1.0) -> float | None:
    """A share of the seconds that are left: a time limit, None without a deadline.

    Examples
    --------
    >>> seconds_before(math.inf) is None, seconds_before(time.perf_counter() - 1.0)
    (True, 0.0)
    """
    return None if math.isinf(deadline) else max(share * (deadline - time.perf_counter()), 0.0)


def part_before(deadline: float, share: float) -> float:
    """Time at which that share of the time until the deadline is over.

    Examples
    --------
    >>> part_before(math.inf, 0.5)
    inf
    """
    now = time.perf_counter()
    return deadline if math.isinf(deadline) else now + share * (deadline - now)
