"""Bounds on ``M(V)``, by every oracle that fits a random problem, against directions that are found without it.

A training shows an oracle only where its bound is loose enough to be refuted by a network. Here the bound itself is
compared with ``‖Vᵀφ(X̃u)‖``, in extended precision, at directions on the faces of cells and after local ascents.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks.soundness.cases import ORACLES, Case, Rng
from benchmarks.soundness.evaluator import LONG_EPS, Arrays
from benchmarks.soundness.trainings import resolved
from convexrelu import TrainingProblem
from convexrelu.oracles.for_problem import oracles_for, relaxation_for

_SECONDS = 1.0  # of a call
_FACES = 600


def wrong_bounds(case: Case) -> tuple[int, list[str]]:
    """Number of bounds, and a text for each proof that is refuted."""
    rng = np.random.default_rng([case.seed, 5])
    try:
        problem, task = TrainingProblem(**resolved(case)[0]).condensed(), case.task()
    except ValueError:
        return 0, []
    v = _dual_point(problem, rng)
    rows = problem.X.toarray() if case.is_sparse else problem.X
    reports = dict(_reports(problem, v, rng))
    starts = rng.standard_normal((12, rows.shape[1] + bool(task["hidden_bias"])))
    reached, texts = largest_value(task, rows, v, starts, rng), []
    for name, report in reports.items():
        proved = report.bound if report.is_proof else report.proved_bound
        if proved < reached:
            by = float(reached - proved) / float(reached)
            texts.append(
                f"{name} proves M(v) ≤ {proved!r}, but a direction has {float(reached)!r}, relatively {by:.2g} more"
            )
    return len(reports), texts


def _dual_point(problem: TrainingProblem, rng: Rng) -> Any:
    outputs = problem.no_outputs()
    if rng.random() < 0.5:
        return problem.dual_point(outputs)
    noise = rng.standard_normal(outputs.shape)
    size = np.abs(problem.y).max() if problem.loss.degree else 1.0
    return problem.dual_point(outputs + 10 ** rng.uniform(-3, 0) * size * noise)


def _reports(problem: TrainingProblem, v: Any, rng: Rng) -> Any:
    few = problem.n_samples <= 8 and min(problem.design.shape) <= 3
    slow = ("cells", "semidefinite", "branch_and_bound", "prove")
    relaxed = relaxation_for(problem)(v)
    yield "relaxation", relaxed
    for name in ORACLES:
        if name in slow and not few and rng.random() < 0.8:
            continue
        level = float(relaxed.bound * rng.uniform(0.2, 1.0)) if rng.random() < 0.3 else 0.0
        deadline = time.perf_counter() + _SECONDS
        try:
            exact = oracles_for(problem, name, 0, deadline=deadline).exact
        except ValueError:
            continue
        yield name, exact(v, level=level, deadline=time.perf_counter() + _SECONDS)


# Values, without the package


def largest_value(task: Arrays, rows: Any, v: Any, starts: Any, rng: Rng) -> Any:
    """The largest of the values found, in extended precision: a lower bound on ``M(V)``."""
    V, slope = v.reshape(len(v), -1), task["slope"]
    free = task["hidden_bias"] == "free"
    origin = rows.mean(axis=0) if free else 0.0
    A = rows - origin
    if task["hidden_bias"]:
        A = np.hstack([A, np.ones((len(A), 1))])
    scale = float(np.abs(A[:, : rows.shape[1]]).max()) or 1.0
    if free:
        A[:, -1] = scale
    size = float(np.abs(V).max()) or 1.0
    found = [_ascended(A / scale, V / size, slope, u, free) for u in starts]
    found += list(_on_faces(A / scale, V / size, slope, np.array(found), free, rng))
    U = np.array(found)
    U = U / np.abs(U).max(axis=1, keepdims=True)
    if free:
        # Any neuron is one with a kink among the samples, and a constant: other biases need no bound.
        reach = np.linalg.norm(A[:, :-1], axis=1).max()
        U = U[np.abs(U[:, -1]) * scale <= reach * np.linalg.norm(U[:, :-1], axis=1)]
        if not len(U):
            return np.longdouble(0)
        U[:, -1] = U[:, -1] * scale - U[:, :-1] @ origin
    return _values(task, rows, V, U).max()


def _values(task: Arrays, rows: Any, V: Any, U: Any) -> Any:
    """``‖Vᵀφ(X̃u)‖ / ‖u‖``, where free biases have no length, less what rounding may add."""
    U, rows, V = (np.asarray(array, dtype=np.longdouble) for array in (U, rows, V))
    d = rows.shape[1]
    bias = U[:, d] if task["hidden_bias"] else np.zeros(len(U), dtype=np.longdouble)
    seen, terms = rows @ U[:, :d].T + bias, abs(rows) @ abs(U[:, :d]).T + abs(bias)
    hidden = np.where(seen > 0, seen, np.longdouble(task["slope"]) * seen)
    sizes = np.sqrt(np.square(U if task["hidden_bias"] is True else U[:, :d]).sum(axis=1))
    values = np.sqrt(np.square(V.T @ hidden).sum(axis=0))
    values = values - 4 * (sum(rows.shape) + 8) * LONG_EPS * (abs(V).T @ terms).sum(axis=0)
    return np.where(sizes > 0, values / np.where(sizes > 0, sizes, 1), 0)


def _ascended(A: Any, V: Any, slope: float, start: Any, free: bool) -> Any:
    """A local maximum of the value over the length, by L-BFGS on its logarithm."""
    counted = np.ones(A.shape[1])
    counted[-1] = 0.0 if free else 1.0

    def function(u: Any) -> tuple[float, Any]:
        seen = A @ u
        h = V.T @ np.where(seen > 0, seen, slope * seen)
        value, length = np.linalg.norm(h), np.linalg.norm(u * counted)
        if value == 0 or length == 0:
            return 0.0, np.zeros_like(u)
        gradient = A.T @ (np.where(seen > 0, 1.0, slope) * (V @ h)) / value**2
        return float(-np.log(value / length)), u * counted / length**2 - gradient

    u = start / np.linalg.norm(start)
    for _ in range(2):
        u = minimize(function, u, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    return u if np.isfinite(u).all() and u.any() else start


def _on_faces(A: Any, V: Any, slope: float, found: Any, free: bool, rng: Rng) -> Any:
    """Gradients at what was found, projected on faces: maxima of one output, where they lie on kinks."""
    d, counted = A.shape[1], np.ones(A.shape[1])
    counted[-1] = 0.0 if free else 1.0
    seen = found @ A.T
    slopes = np.where(seen > 0, 1.0, slope)
    outputs = (slopes * seen) @ V
    pulls = (slopes * (outputs @ V.T)) @ A * counted
    faces = [f for size in range(min(d, 4)) for f in itertools.combinations(range(len(A)), size)]
    if len(faces) > _FACES:
        faces = [faces[i] for i in rng.choice(len(faces), _FACES, replace=False)]
    for face in faces:
        rows = A[list(face)]
        projected = pulls - (pulls @ np.linalg.pinv(rows)) @ rows if len(rows) else pulls
        yield from projected[np.abs(projected).max(axis=1) > 0]
        if free and len(rows) == 1 and rows[0, -1]:
            shifted = found.copy()  # the same weights with a kink at this sample
            shifted[:, -1] = -(found[:, :-1] @ rows[0, :-1]) / rows[0, -1]
            yield from shifted
