"""Branch and bound, compiled and in NumPy, against directions that are compared with its bounds in fractions.

`oracles.py` looks at few boxes of many problems. Here every instance is small and adversarial, levels are just below a
value that is reached, so that no search may stop at a proof of them, and no search helps or hides anything.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.soundness.cases import Rng
from benchmarks.soundness.judge import Finding
from convexrelu.oracles import BranchAndBoundOracle
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.bounds import tree
from convexrelu.oracles.bounds.compiled import CompiledBound, is_compiled
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.rational import shows_bound

KINDS = (
    "gaussian",
    "lattice",
    "duplicates",
    "near duplicates",
    "opposite",
    "rank deficient",
    "zero rows",
    "rows of every size",
    "columns of every size",
    "weights of every size",
    "large",
    "small",
    "one sign",
    "cancelling",
    "one sample",
)
# Parts by which a level is below a value that is reached.
BELOW = (1e-5, 1e-9)
# Work of a call: a bound is valid wherever it stops.
_WORK = {"compiled": 1e7, "NumPy": 3e5}
_FACES = 200


def attack(seed: int, seconds: float) -> Iterator[Finding | None]:
    """Bound random instances; for each, yield None, or a finding."""
    end, rng = time.process_time() + seconds, np.random.default_rng([seed, 6])
    while time.process_time() < end:
        rows, v = instance(rng)
        text = trouble(rows, v, rng)
        code = f"rows, v = {rows.tolist()!r}, {v.tolist()!r}\n"
        yield Finding("refuted proof", seed, text, code=code) if text else None


def instance(rng: Rng) -> tuple[Any, Any]:
    """Rows, and a dual point."""
    kind = str(rng.choice(KINDS))
    n, rank = int(rng.integers(1, 13)), int(rng.integers(1, 7))
    if rank > 4:
        n = min(n, 8)
    rows, v = rng.standard_normal((n, rank)), rng.standard_normal(n)
    match kind:
        case "lattice":
            rows, v = np.round(rows), np.round(2 * v)
        case "duplicates":
            rows = rows[rng.integers(max(1, n // 2), size=n)]
        case "near duplicates":
            others = rows[rng.integers(max(1, n // 2), size=n)]
            rows = others + 10 ** rng.uniform(-16, -4) * rows
        case "opposite":
            rows[n // 2 :] = -rows[: n - n // 2] * rng.choice([1.0, 3.0, 1 + 1e-12])
        case "rank deficient":
            rows[:, -1] = rows[:, 0]
        case "zero rows":
            rows[rng.integers(n, size=max(1, n // 2))] = 0.0
        case "rows of every size":
            rows = rows * 10 ** rng.uniform(-9, 9, (n, 1))
        case "columns of every size":
            rows = rows * 10 ** rng.uniform(-6, 6, rank)
        case "weights of every size":
            v = v * 10 ** rng.uniform(-9, 9, n)
        case "large" | "small":
            rows = rows * (1e8 if kind == "large" else 1e-8)
        case "one sign":
            v = np.abs(v) * rng.choice([-1.0, 1.0])
        case "cancelling":  # v is nearly orthogonal to the rows and to their kinks
            v[n // 2 :] = -v[: n - n // 2]
            rows[n // 2 :] = rows[: n - n // 2] * (1 + 1e-7 * rng.standard_normal((n - n // 2, 1)))
        case "one sample":
            rows, v = rows[:1], v[:1]
    if rng.random() < 0.1:
        v[rng.integers(n if kind != "one sample" else 1)] = 0.0
    if rng.random() < 0.02:
        v = 0 * v
    if rng.random() < 0.2:
        v = v * 10 ** rng.uniform(-8, 8)
    return rows, v


def trouble(rows: Any, v: Any, rng: Rng) -> str:
    """What is refuted; empty if nothing is."""
    best = best_direction(rows, v, rng)
    value = reached(rows, v, best)
    for name, n_free, level, rtol in _asked(value, rng):
        with version(name, n_free):
            oracle = BranchAndBoundOracle(
                rows, search=Blind(rows.shape[1]), rtol=rtol, max_work=_WORK[name]
            )
            report = oracle(v, level=level)
        directions = [best, *report.directions[:2]]
        if any(is_above(rows, v, u, report.bound) for u in directions):
            what = f"at level {level!r}, but {value!r} is reached"
            return f"{name} (n_free={n_free}, rtol={rtol!r}) proves M(v) ≤ {report.bound!r} {what}"
    if rows.shape[1] <= 3 and len(rows) <= 6 and value > 0 and rng.random() < 0.1:
        level = value * (1 - BELOW[0])
        if shows_bound(rows, v, level, max_work=1e5) and is_above(rows, v, best, level):
            return f"rational arithmetic proves M(v) ≤ {level!r}, but {value!r} is reached"
    return ""


def _asked(value: float, rng: Rng) -> Iterator[tuple[str, int | None, float, float]]:
    """Versions, levels and tolerances; without a level, the tree finds everything itself."""
    calls = [(value * (1 - below), 1e-4) for below in BELOW] + [(0.0, 10 ** rng.uniform(-9, -2))]
    slow = calls[rng.integers(len(calls))]  # a hundred times slower
    for name, some in (("compiled", calls if is_compiled() else []), ("NumPy", [slow])):
        for level, rtol in some:
            n_free = None if rng.random() < 0.5 else int(rng.integers(1, 4))
            yield name, n_free, level, rtol


@contextlib.contextmanager
def version(name: str, n_free: int | None = None) -> Iterator[None]:
    """Bounds in compiled code, in NumPy or on a device, whatever has been built, with fewer coordinates if asked.

    Searches go on however little hope there is.
    """
    known = {"compiled": CompiledBound, "NumPy": CornerBound}
    made = known.get(name) or partial(CornerBound, device=name)

    def corner_bound(rows: Any, v: Any, device: str = "cpu") -> Any:
        return made(rows, v) if n_free is None else made(rows, v, n_free=n_free)

    with (
        mock.patch.object(tree, "corner_bound", corner_bound),
        mock.patch.object(tree.Tree, "predicted_boxes", lambda *_: 0.0),
    ):
        yield


class Blind:
    """A search that finds nothing."""

    def __call__(self, v: Any, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        nothing = (
            np.zeros((0, len(v)), dtype=bool),
            np.zeros(0),
            np.zeros((0, self.dim)),
            np.zeros(0),
        )
        return OracleReport(0.0, False, "global", "blind", *nothing)

    def __init__(self, dim: int) -> None:
        self.dim = dim


# Values, without the package


def is_above(rows: Any, v: Any, u: Any, bound: float) -> bool:
    """Whether ``|vᵀ relu(X̃u)| > bound ‖u‖``, in fractions."""
    u, h = [Fraction(float(entry)) for entry in u], Fraction(0)
    for row, weight in zip(rows.tolist(), v.tolist(), strict=True):
        t = sum((Fraction(x) * z for x, z in zip(row, u, strict=True)), Fraction(0))
        h += Fraction(weight) * max(t, Fraction(0))
    return h * h > Fraction(bound) ** 2 * sum(z * z for z in u)


def reached(rows: Any, v: Any, u: Any) -> float:
    """``|vᵀ relu(X̃u)|``."""
    return float(np.abs(np.maximum(rows @ u, 0.0) @ v))


def best_direction(rows: Any, v: Any, rng: Rng) -> Any:
    """The best of many unit vectors: after fixed-point steps, and with their gradients projected on faces."""
    n, rank = rows.shape
    starts = np.vstack([rng.standard_normal((48, rank)), rows, -rows, np.eye(rank), -np.eye(rank)])
    found = [_units(starts)]
    for sign in (1.0, -1.0):
        U = found[0]
        for _ in range(12):
            pulls = _units(sign * ((U @ rows.T > 0) * v) @ rows)
            found.append(pulls)
            U = _units(U + pulls)
            found.append(U)
    U = np.vstack(found)
    top = U[np.argsort(-np.abs(np.maximum(U @ rows.T, 0.0) @ v))[:6]]
    pulls = np.vstack([((top @ rows.T > 0) * v) @ rows, ((top @ rows.T >= -1e-9) * v) @ rows])
    pulls = np.vstack([pulls, -pulls, top])
    faces = [f for size in range(1, rank) for f in itertools.combinations(range(n), min(size, n))]
    chosen = rng.permutation(len(faces))[:_FACES]
    more = [U]
    for face in (faces[i] for i in chosen):
        unit = _units(rows[list(face)])
        more.append(_units(pulls - (pulls @ np.linalg.pinv(unit)) @ unit))
    U = np.vstack(more)
    return U[np.argmax(np.abs(np.maximum(U @ rows.T, 0.0) @ v))]


def _units(U: Any) -> Any:
    """Rows of length one; zeros where a row has no direction."""
    largest = np.abs(U).max(axis=1, keepdims=True)
    U = U / np.where(largest > 0, largest, 1.0)
    lengths = np.linalg.norm(U, axis=1, keepdims=True)
    return U / np.where(lengths > 0, lengths, 1.0)
