"""Search for networks below a claimed bound: descent from many starts, and convex programs over lists of cells.

Nothing here comes from the package. Descent works in units in which data and targets are about one, on the rows
``x̃_i``; what it finds is evaluated in extended precision, so that any network refutes a bound that is above it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog, minimize

from benchmarks.soundness.evaluator import Arrays, loss_gradient, loss_values, normalised

DEGREES = {"squared_error": 2, "absolute_error": 1, "quantile": 1}


class Scaled:
    """A task in its own units: rows ``A``, targets, weights, and the penalty there."""

    def __init__(self, task: Arrays) -> None:
        self.task = task
        s = normalised(task).astype(float)
        alive = s > 0
        X, y, self.s = task["X"][alive], task["y"][alive], s[alive]
        self.free, self.slope = task["hidden_bias"] == "free", task["slope"]
        self.origin = X.mean(axis=0) if self.free else np.zeros(X.shape[1])
        rows = X - self.origin
        self.rho = float(np.linalg.norm(rows)) / np.sqrt(len(rows)) or 1.0
        if task["hidden_bias"] is True:
            rows = np.hstack([rows, np.ones((len(X), 1))])
            self.rho = float(np.linalg.norm(rows)) / np.sqrt(len(rows))
        self.A, self.d = rows / self.rho, X.shape[1]
        if self.free:
            self.A = np.hstack([self.A, np.ones((len(X), 1))])
        self.decayed = np.ones(self.A.shape[1])
        self.decayed[self.d :] = 0.0 if self.free else 1.0
        self.k = _n_outputs(task)
        self.center, self.tau = np.zeros(self.k), 1.0
        degree = DEGREES.get(task["loss"])
        if degree is not None:
            Y = np.reshape(y, (len(X), self.k))
            if task["fit_intercept"]:
                self.center = np.nanmedian(Y, axis=0)
            self.tau = float(np.nanmax(np.abs(Y - self.center))) or 1.0
            y = np.reshape((Y - self.center) / self.tau, y.shape)
        self.y = y
        value = self.tau ** (degree or 0)
        self.value, self.alpha = value, task["alpha"] * self.tau / self.rho / value
        scale = self.tau / self.rho
        self.skip_alpha = task["skip_alpha"] * scale * scale / value

    def loss(self, f: Any) -> tuple[float, Any]:
        """Mean loss at outputs of shape (n, K), and its gradient."""
        with np.errstate(over="ignore"):
            value = float(self.s @ loss_values(f, self.y, self.task))
            return value, self.s[:, None] * loss_gradient(f, self.y, self.task)

    def network(self, U: Any, V: Any, c: Any, S: Any) -> Arrays:
        """Arrays in the units of the data, balanced."""
        inner, outer = U * self.decayed, np.linalg.norm(V, axis=1)
        sizes = np.linalg.norm(inner, axis=1)
        kept = (sizes > 0) & (outer > 0)
        if not self.task["fit_intercept"]:
            c = np.zeros(self.k)
        U, V, sizes, outer = U[kept], V[kept], sizes[kept], outer[kept]
        total = sizes * outer * self.tau / self.rho
        W = U[:, : self.d] * (np.sqrt(total) / sizes)[:, None]
        b = np.zeros(len(U))
        if U.shape[1] > self.d:
            b = U[:, self.d] * np.sqrt(total) / sizes * (self.rho if self.free else 1.0)
        b = b - W @ self.origin
        has_skip = self.task["skip"]
        skip = S.T * (self.tau / self.rho) if has_skip else None
        constant = self.tau * c + self.center
        if has_skip and self.free:
            constant = constant - skip @ self.origin
        return {
            "kind": "two_layer",
            "slope": self.slope,
            "hidden_weights": W,
            "hidden_bias": b,
            "output_weights": (V * (np.sqrt(total) / outer)[:, None]).T,
            "output_bias": constant,
            "skip_weights": skip,
        }

    def parameters(self, network: Arrays) -> tuple[Any, Any, Any, Any]:
        """Inverse of `network`."""
        W, b, A = network["hidden_weights"], network["hidden_bias"], network["output_weights"]
        root = np.sqrt(self.tau / self.rho)
        U = W / root
        if self.A.shape[1] > self.d:
            bias = b + W @ self.origin
            U = np.column_stack([U, bias / root / (self.rho if self.free else 1.0)])
        S, constant = np.zeros((self.d, self.k)), network["output_bias"]
        if network["skip_weights"] is not None:
            S = network["skip_weights"].T * (self.rho / self.tau)
            if self.free:
                constant = constant + network["skip_weights"] @ self.origin
        return U, A.T / root, (constant - self.center) / self.tau, S


def _n_outputs(task: Arrays) -> int:
    y = task["y"]
    return int(y.max()) + 1 if task["loss"] == "multinomial" else 1 if y.ndim == 1 else y.shape[1]


def candidates(task: Arrays, found: list[Arrays], seed: int, effort: float = 1.0) -> list[Arrays]:
    """Networks that may be below what is claimed: from those found, from random ones, and by short programs."""
    rng, scaled = np.random.default_rng([seed, 2]), Scaled(task)
    with np.errstate(all="ignore"):
        starts = [_widened(scaled, scaled.parameters(one), rng, 6) for one in found]
        starts += [_random(scaled, rng, m) for m in (10, 24)]
        best = [descend(scaled, start, int(400 * effort)) for start in starts]
        best.append(descend(scaled, adam(scaled, _random(scaled, rng, 48), 200), int(200 * effort)))
        networks = [scaled.network(*one) for one in best]
    if scaled.k == 1 and len(scaled.A) <= 24:
        networks += program_networks(scaled, best, rng)
    return [one for one in networks if all(np.isfinite(a).all() for a in _numbers(one))]


def _numbers(network: Arrays) -> list[Any]:
    return [value for value in network.values() if isinstance(value, np.ndarray)]


def _widened(scaled: Scaled, start: Any, rng: Any, more: int) -> Any:
    U, V, c, S = start
    extra = (
        0.05 * rng.standard_normal((more, U.shape[1])),
        0.05 * rng.standard_normal((more, scaled.k)),
    )
    return np.vstack([U, extra[0]]), np.vstack([V, extra[1]]), c, S


def _random(scaled: Scaled, rng: Any, m: int) -> Any:
    size, d = rng.uniform(0.3, 1.5) / np.sqrt(m), scaled.A.shape[1]
    U, V = rng.standard_normal((m, d)), size * rng.standard_normal((m, scaled.k))
    return U, V, np.zeros(scaled.k), np.zeros((scaled.d, scaled.k))


def _value_and_gradient(scaled: Scaled, U: Any, V: Any, c: Any, S: Any) -> tuple[float, Any]:
    seen = scaled.A @ U.T
    hidden = np.where(seen > 0, seen, scaled.slope * seen)
    f = hidden @ V + c
    X = scaled.A[:, : scaled.d]
    if scaled.task["skip"]:
        f = f + X @ S
    value, g = scaled.loss(f)
    kept = U * scaled.decayed
    value += 0.5 * scaled.alpha * (np.vdot(kept, kept) + np.vdot(V, V))
    dU = ((g @ V.T) * np.where(seen > 0, 1.0, scaled.slope)).T @ scaled.A + scaled.alpha * kept
    dc = g.sum(axis=0) * scaled.task["fit_intercept"]
    dS = np.zeros_like(S)
    if scaled.task["skip"]:
        value += 0.5 * scaled.skip_alpha * np.vdot(S, S)
        dS = X.T @ g + scaled.skip_alpha * S
    return float(value), (dU, hidden.T @ g + scaled.alpha * V, dc, dS)


def descend(scaled: Scaled, start: Any, n_steps: int, bounds: Any = None) -> Any:
    """L-BFGS, three times over: kinks end the first ones early; `bounds` are pairs for all parameters in turn."""
    shapes = [np.shape(part) for part in start]
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]

    def unpacked(z: Any) -> list[Any]:
        return [p.reshape(s) for p, s in zip(np.split(z, cuts), shapes, strict=True)]

    def function(z: Any) -> tuple[float, Any]:
        value, gradient = _value_and_gradient(scaled, *unpacked(z))
        flat = np.concatenate([np.ravel(part) for part in gradient])
        return (value, flat) if np.isfinite(value) else (1e300, np.zeros_like(flat))

    z = np.concatenate([np.ravel(part) for part in start])
    options = {"maxiter": n_steps, "ftol": 1e-15, "gtol": 1e-12}
    for _ in range(3):
        z = minimize(function, z, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return unpacked(z)


def adam(scaled: Scaled, start: Any, n_steps: int) -> Any:
    """Adam with a falling step, for wide networks."""
    parts = [np.array(part, dtype=float) for part in start]
    first, second = [0 * p for p in parts], [0 * p for p in parts]
    for t in range(1, n_steps + 1):
        rate = 0.05 * (1 - t / (n_steps + 1))
        _, gradient = _value_and_gradient(scaled, *parts)
        for k, g in enumerate(gradient):
            first[k] = 0.9 * first[k] + 0.1 * g
            second[k] = 0.99 * second[k] + 0.01 * g * g
            scale = np.sqrt(second[k] / (1 - 0.99**t)) + 1e-12
            parts[k] = parts[k] - rate * first[k] / (1 - 0.9**t) / scale
    return parts


# Convex programs over lists of patterns, one output


def program_networks(scaled: Scaled, best: list[Any], rng: Any) -> list[Arrays]:
    """Optimum over all cells of tiny problems, otherwise over those of the networks found."""
    A = scaled.A
    if len(A) <= 7 and np.linalg.matrix_rank(A) <= 3 and A.shape[1] <= 3:
        masks = all_masks(A)
    else:
        U = np.vstack([one[0] for one in best])
        masks = A @ U[np.linalg.norm(U, axis=1) > 1e-9].T > 0
        masks = np.unique(masks.T, axis=0)
        masks = masks[rng.permutation(len(masks))[:40]]
    solved = [solve_program(scaled, masks)]
    return [scaled.network(*one) for one in solved if one is not None]


def solve_program(
    scaled: Scaled,
    masks: Any,
    *,
    polish: bool = True,
    more: Callable[[Any, Any], list[Any]] | None = None,
) -> Any:
    """Neurons of the ReLU program over these patterns, with both signs; None where the solver fails.

    `more` returns further constraints on the neurons of either sign.
    """
    if not len(masks):
        return None
    A, d = scaled.A, scaled.A.shape[1]
    D = np.where(masks.T, 1.0, scaled.slope)
    plus, minus = cp.Variable((len(masks), d)), cp.Variable((len(masks), d))
    c = cp.Variable() if scaled.task["fit_intercept"] else 0.0
    f = cp.sum(cp.multiply(D, A @ (plus - minus).T), axis=1) + c
    penalised = np.flatnonzero(scaled.decayed)
    terms = [cp.sum(cp.norm(part[:, penalised], axis=1)) for part in (plus, minus)]
    cones = [cp.multiply(2.0 * masks.T - 1, A @ part.T) >= 0 for part in (plus, minus)]
    cones += [] if more is None else more(plus, minus)
    objective, S = scaled.alpha * (terms[0] + terms[1]), None
    if scaled.task["skip"]:
        S = cp.Variable((scaled.d, 1))
        f = f + (A[:, : scaled.d] @ S)[:, 0]
        objective = objective + 0.5 * scaled.skip_alpha * cp.sum_squares(S)
    objective = objective + expression(scaled.task, f, scaled.y, scaled.s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cp.Problem(cp.Minimize(objective), cones).solve(cp.CLARABEL, accept_unknown=True)
        except cp.SolverError:
            return None
    if plus.value is None or not np.isfinite(plus.value).all():
        return None
    U = np.vstack([plus.value, minus.value])
    sizes = np.linalg.norm(U * scaled.decayed, axis=1)
    kept = sizes > 1e-9 * sizes.max(initial=0.0)
    signs = np.repeat([1.0, -1.0], len(masks))[kept, None]
    constant = np.atleast_1d(float(c.value) if scaled.task["fit_intercept"] else 0.0)
    skip = np.zeros((scaled.d, 1)) if S is None else S.value
    # The cones hold to the solver's accuracy only: what is evaluated are the outputs of this network.
    solved = U[kept], signs, constant, skip
    return descend(scaled, solved, 100) if polish else solved


def expression(task: Arrays, f: Any, y: Any, s: Any) -> Any:
    """The weighted loss of one output in cvxpy."""
    r, level = f - y, task["loss_parameter"]
    match task["loss"]:
        case "squared_error":
            return cp.sum_squares(cp.multiply(np.sqrt(s / 2), r))
        case "absolute_error":
            return s @ cp.abs(r)
        case "huber":
            return s @ cp.huber(r, level) / 2
        case "quantile":
            return s @ cp.maximum(-level * r, (1 - level) * r)
        case "poisson":
            return s @ (cp.exp(f) - cp.multiply(y, f))
        case "logistic":
            return s @ cp.logistic(cp.multiply(-y, f))
        case "hinge":
            return s @ cp.pos(1 - cp.multiply(y, f))
    return cp.sum_squares(cp.multiply(np.sqrt(s / 2), cp.pos(1 - cp.multiply(y, f))))


def all_masks(A: Any) -> Any:
    """Patterns of all cells with an interior, by linear programs: each row splits the cells of those before."""
    norms = np.linalg.norm(A, axis=1)
    alive = np.flatnonzero(norms)
    rows = A[alive] / norms[alive, None]
    cells: list[Any] = [np.zeros(0)]
    for j in range(len(rows)):
        grown = [np.append(signs, side) for signs in cells for side in (1.0, -1.0)]
        cells = [signs for signs in grown if _has_interior(signs[:, None] * rows[: j + 1])]
    masks = np.ones((len(cells), len(A)), dtype=bool)
    masks[:, alive] = np.array(cells).reshape(len(cells), len(alive)) > 0
    return masks


def _has_interior(rows: Any) -> bool:
    n, d = rows.shape
    bounds = [(-1, 1)] * d + [(None, 1)]
    columns = np.hstack([-rows, np.ones((n, 1))])
    solved = linprog(np.append(np.zeros(d), -1.0), columns, np.zeros(n), bounds=bounds)
    return bool(solved.status == 0 and solved.x[d] > 1e-9)
