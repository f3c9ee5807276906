"""The mathematics once more, without the package: what the tests compare with.

Everything here is written for tiny problems and for being obviously right. ``design`` is the matrix
of the rows ``x̃_i``; ``weights`` are sample weights that sum to one.
"""

from __future__ import annotations

import warnings
from fractions import Fraction
from itertools import combinations

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog, minimize, nnls


def teacher(n, d, k, noise, seed):
    """Data of a random network with `k` neurons."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    T = rng.standard_normal((d, k))
    b = rng.standard_normal(k)
    y = np.maximum(X @ T, 0) @ b
    y /= y.std()
    y += noise * rng.standard_normal(n)
    return X, y


def augment(X, hidden_bias):
    return np.hstack([X, np.ones((len(X), 1))]) if hidden_bias else np.array(X, dtype=float)


def normalised(sample_weight, n):
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return weights / weights.sum()


def outputs(X, W, b, a, c):
    """Outputs of a network with one output, neuron by neuron."""
    f = np.full(len(X), float(c))
    for w_j, b_j, a_j in zip(W, b, a, strict=True):
        f += a_j * np.maximum(X @ w_j + b_j, 0.0)
    return f


def objective(X, y, alpha, W, b, a, c, sample_weight=None):
    """Regularised squared error of a network as it stands."""
    residual = outputs(X, W, b, a, c) - y
    fit = 0.5 * np.sum(normalised(sample_weight, len(y)) * residual**2)
    return fit + 0.5 * alpha * (np.sum(W**2) + np.sum(np.square(b)) + np.sum(np.square(a)))


def network_objective(network, X, y, alpha, sample_weight=None, *, free_bias=False):
    """The same for an object with the arrays of a two-layer network, of any activation and number of outputs."""
    weights, slope = normalised(sample_weight, len(X)), getattr(network, "negative_slope", 0.0)
    W, b, A = network.hidden_weights, network.hidden_bias, network.output_weights
    value = 0.0
    for a, c, targets in zip(A, network.output_bias, np.reshape(y, (len(X), -1)).T, strict=True):
        f = np.full(len(X), float(c))
        for w_j, b_j, a_j in zip(W, b, a, strict=True):
            f += a_j * activation(X @ w_j + b_j, slope)
        value += 0.5 * np.sum(weights * np.square(f - targets))
    biases = 0.0 if free_bias else np.sum(np.square(b))
    return value + 0.5 * alpha * (np.sum(np.square(W)) + biases + np.sum(np.square(A)))


def descended_objective(
    X, y, alpha, *, slope=0.0, hidden_bias=True, fit_intercept=True, n_neurons=12, seeds=range(3)
):
    """Lowest objective that descent reaches from random weights: never below the optimum.

    For one or several outputs; `hidden_bias` may be "free".
    """
    y = np.reshape(y, (len(X), -1))
    design, (d, k) = augment(X, bool(hidden_bias)), (X.shape[1], y.shape[1])
    cuts = np.cumsum([n_neurons * design.shape[1], n_neurons * k])

    def value_and_gradient(z):
        inner, outer, c = np.split(z, cuts)
        inner, outer = inner.reshape(n_neurons, -1), outer.reshape(n_neurons, k)
        seen = design @ inner.T
        rest = activation(seen, slope) @ outer + c - y
        decayed = inner.copy()
        if hidden_bias == "free":
            decayed[:, d:] = 0.0
        penalty = 0.5 * alpha * (np.sum(decayed**2) + np.sum(outer**2))
        pull = (rest @ outer.T) * activation(np.where(seen > 0, 1.0, -1.0), -slope) / len(X)
        gradient = [
            (pull.T @ design + alpha * decayed).ravel(),
            (activation(seen, slope).T @ rest / len(X) + alpha * outer).ravel(),
            rest.mean(axis=0) * fit_intercept,
        ]
        return 0.5 * np.sum(rest**2) / len(X) + penalty, np.concatenate(gradient)

    best = np.inf
    for seed in seeds:
        z = np.random.default_rng(seed).standard_normal(cuts[-1] + k)
        z[cuts[-1] :] = 0.0
        for _ in range(3):  # kinks end the first ones early
            z = minimize(value_and_gradient, z, jac=True, method="L-BFGS-B").x
        best = min(best, value_and_gradient(z)[0])
    return best


def dual_value(v, y, weights):
    """``−F*(−v)`` for squared error."""
    return v @ y - 0.5 * np.sum(v**2 / weights)


# Cells of the arrangement


def all_masks(design):
    """All activation patterns of gates in general position, by linear programs.

    Cells with an inradius of less than about 1e-8 do not count.
    """
    norms = np.linalg.norm(design, axis=1)
    alive = np.flatnonzero(norms)
    rows = design[alive] / norms[alive, None]
    cells = [(np.zeros(0), np.zeros(design.shape[1]))]
    for j, row in enumerate(rows):
        grown = []
        for signs, inside in cells:
            for side in (1.0, -1.0):
                if j == 0 and side < 0:
                    continue  # the mirror image comes at the end
                extended = np.append(signs, side)
                point = inside if side * (row @ inside) > 1e-6 else None
                if point is None:
                    point = _interior_point(extended[:, None] * rows[: j + 1])
                if point is not None:
                    grown.append((extended, point))
        cells = grown
    half = np.array([signs for signs, _ in cells]).reshape(len(cells), len(alive)) > 0
    masks = np.ones((2 * len(half) if len(alive) else 1, len(design)), dtype=bool)
    if len(alive):
        masks[:, alive] = np.vstack([half, ~half])
    return masks


def _interior_point(rows):
    """A point with ``rows u > 0``, or None; a linear program decides only what is not clear without it.

    For ``λ ≥ 0`` the least of ``rows u`` over unit vectors is at most ``‖rowsᵀλ‖ / Σλ``. The smallest of these bounds
    is attained along ``rowsᵀλ``.
    """
    d = rows.shape[1]
    system = np.vstack([rows.T, np.ones(len(rows))])
    multipliers = nnls(system, np.append(np.zeros(d), 1.0))[0]
    nearest = rows.T @ multipliers
    length = np.linalg.norm(nearest)
    if length <= 1e-12 * multipliers.sum():
        return None
    if (rows @ nearest).min() > 1e-6 * length:
        return nearest / length
    answer = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-rows, np.ones((len(rows), 1))]),
        b_ub=np.zeros(len(rows)),
        bounds=[(-1, 1)] * d + [(None, 1)],
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert answer.status == 0, answer.message
    return answer.x[:d] if answer.x[d] > 1e-8 else None


def count_cells(design):
    """Number of cells in exact arithmetic: deletion and restriction (Zaslavsky 1975)."""
    rows = [[Fraction(float(entry)) for entry in row] for row in design]
    return _count(_distinct_lines(rows))


def _distinct_lines(rows):
    """One representative a line, scaled to have 1 as its first entry that is not zero."""
    lines = {}
    for row in rows:
        lead = next((entry for entry in row if entry), None)
        if lead is not None:
            lines[tuple(entry / lead for entry in row)] = None
    return list(lines)


def _count(lines):
    """Insert the hyperplanes in turn: each adds as many cells as the earlier ones cut on it."""
    total = 1
    for j, line in enumerate(lines):
        pivot = next(i for i, entry in enumerate(line) if entry)
        restricted = [
            [
                e - other[pivot] * l
                for i, (e, l) in enumerate(zip(other, line, strict=True))
                if i != pivot
            ]
            for other in lines[:j]
        ]
        total += _count(_distinct_lines(restricted)) if len(line) > 1 else 1
    return total


# M(v)


def rectified_value(design, v, directions):
    """``|vᵀ relu(X̃u)|`` at unit vectors along the rows of `directions`."""
    lengths = np.linalg.norm(directions, axis=1)
    units = directions[lengths > 0] / lengths[lengths > 0, None]
    return np.abs(np.maximum(units @ design.T, 0.0) @ v)


def activation(z, slope):
    """``z`` where it is positive, ``slope·z`` where it is negative."""
    return np.where(z > 0, z, slope * z)


def value_at(design, V, directions, slope=0.0):
    """``‖Vᵀ φ(X̃u)‖`` at unit vectors along the rows of `directions`; `V` of shape (n,) or (n, K)."""
    lengths = np.linalg.norm(directions, axis=1)
    units = directions[lengths > 0] / lengths[lengths > 0, None]
    outputs = activation(units @ design.T, slope)
    return np.linalg.norm(outputs @ V.reshape(len(V), -1), axis=1)


def brute_force(design, V, slope=0.0, seed=0, n_directions=2000):
    """``M(V)`` from below: dense directions, and a random search around the best, closer and closer."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((n_directions, design.shape[1]))
    directions = np.vstack([directions, design, -design, np.eye(design.shape[1])])
    directions = directions[np.linalg.norm(directions, axis=1) > 0]
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    values = value_at(design, V, directions, slope)
    best = directions[np.argsort(-values)[:4]]
    for width in np.geomspace(0.3, 1e-7, 50):
        around = best[:, None] + width * rng.standard_normal((len(best), 24, design.shape[1]))
        around[:, 0] = best
        heights = value_at(design, V, around.reshape(-1, design.shape[1]), slope)
        top = heights.reshape(len(best), -1).argmax(axis=1)
        best = around[np.arange(len(best)), top]
        best /= np.linalg.norm(best, axis=1)[:, None]
    return max(values.max(), value_at(design, V, best, slope).max())


def max_rectified(design, v, masks):
    """``M(v)`` from all masks: a maximiser is a gradient projected on the span of some face.

    All candidates are evaluated as they are, so that the result is never above ``M(v)``.
    """
    d = design.shape[1]
    gradients = (masks * v) @ design
    best = 0.0
    for size in range(min(d, len(design) + 1)):
        for rows in combinations(range(len(design)), size):
            on_face = np.eye(d) - np.linalg.pinv(design[list(rows)]) @ design[list(rows)]
            candidates = gradients @ on_face
            candidates = np.vstack([candidates, -candidates])
            # What is left of a gradient that the face annihilates is rounding error.
            best = max(best, rectified_value(design, v, candidates).max(initial=0.0))
    return best


def squared_max_rectified(design, v, masks):
    """``M(v)²`` as a Fraction: the same in exact arithmetic."""
    rows = [[Fraction(entry) for entry in row] for row in design.tolist()]
    v = [Fraction(entry) for entry in v]
    bases = [
        _orthogonal_basis([rows[i] for i in face])
        for size in range(design.shape[1])
        for face in combinations(range(len(rows)), size)
    ]
    best = Fraction(0)
    for mask in masks:
        active = [(value, row) for value, row, on in zip(v, rows, mask, strict=True) if on]
        gradient = [sum(s * row[k] for s, row in active) for k in range(design.shape[1])]
        for basis in bases:
            u = _without(gradient, basis)
            for sign in (1, -1):
                h = sum(s * max(sign * _dot(row, u), 0) for s, row in zip(v, rows, strict=True))
                best = max(best, h**2 / _dot(u, u) if any(u) else Fraction(0))
    return best


def _dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def _without(u, basis):
    """What is orthogonal to an orthogonal basis."""
    for b in basis:
        factor = _dot(u, b) / _dot(b, b)
        u = [x - factor * y for x, y in zip(u, b, strict=True)]
    return u


def _orthogonal_basis(rows):
    """Gram-Schmidt, without lengths."""
    basis = []
    for row in rows:
        rest = _without(row, basis)
        basis += [rest] if any(rest) else []
    return basis


# The optimum of the training problem


def train_exactly(
    X, y, alpha, *, hidden_bias=True, fit_intercept=True, sample_weight=None, masks=None, signs=None
):
    """Objective of a network that solves the convex program over all patterns (or over `masks`).

    With `signs`, each of the masks comes with this sign of the outer weight only.

    The number is the objective of an actual network, so that it is never below the optimum; how
    near it is depends on the solver (about 1e-9 relative).
    """
    options = {"hidden_bias": hidden_bias, "fit_intercept": fit_intercept}
    options |= {"sample_weight": sample_weight, "masks": masks, "signs": signs}
    return optimal_neurons(X, y, alpha, **options)[0]


def optimal_neurons(
    X, y, alpha, *, hidden_bias=True, fit_intercept=True, sample_weight=None, masks=None, signs=None
):
    """That objective, the ``u_j = w̃_j |a_j|`` of the network, its signs of ``a_j``, and its ``c``."""
    design, weights = augment(X, hidden_bias), normalised(sample_weight, len(y))
    rho = np.abs(design).max() or 1.0
    shift = weights @ y if fit_intercept else 0.0
    tau = np.abs(y - shift).max() or 1.0
    rows, targets, penalty = design / rho, (y - shift) / tau, alpha / (rho * tau)
    masks = all_masks(design) if masks is None else masks

    plus, minus = (cp.Variable((len(masks), design.shape[1])) for _ in range(2))
    constant = cp.Variable() if fit_intercept else 0.0
    linear = [rows @ block.T for block in (plus, minus)]
    fitted = cp.sum(cp.multiply(masks.T.astype(float), linear[0] - linear[1]), axis=1) + constant
    risk = cp.sum_squares(cp.multiply(np.sqrt(weights), fitted - targets)) / 2
    norms = cp.sum(cp.norm(plus, axis=1)) + cp.sum(cp.norm(minus, axis=1))
    cones = [cp.multiply(2.0 * masks.T - 1, part) >= 0 for part in linear]
    if signs is not None:
        cones += [part[signs != s] == 0 for part, s in ((plus, 1), (minus, -1)) if any(signs != s)]
    tight = {"tol_gap_abs": 1e-14, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # short of these tolerances is good enough
        cp.Problem(cp.Minimize(risk + penalty * norms), cones).solve(
            cp.CLARABEL, accept_unknown=True, max_iter=200, **tight
        )

    directions = np.vstack([plus.value, minus.value]) * (tau / rho)
    signs = np.repeat([1.0, -1.0], len(masks))
    size = np.linalg.norm(directions, axis=1)
    keep = size > 1e-9 * size.max(initial=0.0)
    fit = np.maximum(design @ directions[keep].T, 0.0) @ signs[keep]
    c = weights @ (y - fit) if fit_intercept else 0.0
    found = 0.5 * weights @ (fit + c - y) ** 2 + alpha * size[keep].sum()
    nothing = 0.5 * weights @ (y - shift) ** 2
    if nothing < found:
        return nothing, directions[:0], signs[:0], shift
    return found, directions[keep], signs[keep], c


# Other losses, activations, outputs and biases

LOSSES = {
    "squared_error": lambda f, y: 0.5 * (f - y) ** 2,
    "absolute_error": lambda f, y: np.abs(f - y),
    "huber": lambda f, y: np.where(np.abs(f - y) <= 1, 0.5 * (f - y) ** 2, np.abs(f - y) - 0.5),
    "quantile": lambda f, y: np.maximum(0.5 * (y - f), -0.5 * (y - f)),
    "poisson": lambda f, y: np.exp(f) - y * f + np.where(y > 0, y * np.log(y + (y == 0)), 0) - y,
    "logistic": lambda f, y: np.logaddexp(0, -y * f),
    "hinge": lambda f, y: np.maximum(0, 1 - y * f),
    "squared_hinge": lambda f, y: 0.5 * np.maximum(0, 1 - y * f) ** 2,
}


def mean_loss(loss, outputs, y, sample_weight=None):
    """Weighted mean of a loss with its default parameters; outputs of shape (n, K)."""
    weights = normalised(sample_weight, len(y))
    if loss == "multinomial":
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        own = shifted[np.arange(len(y)), np.asarray(y, dtype=int)]
        return weights @ (np.log(np.exp(shifted).sum(axis=1)) - own)
    return weights @ LOSSES[loss](outputs, np.reshape(y, outputs.shape)).sum(axis=1)


def regularised_loss(network, X, y, alpha, *, loss, free_bias=False, skip_alpha=0.0, weights=None):
    """Objective of any two-layer network as it stands."""
    seen = X @ network.hidden_weights.T + network.hidden_bias
    hidden = np.where(seen > 0, seen, network.negative_slope * seen)
    outputs = hidden @ network.output_weights.T + network.output_bias
    penalty = np.sum(network.hidden_weights**2) + np.sum(network.output_weights**2)
    if not free_bias:
        penalty += np.sum(network.hidden_bias**2)
    total = 0.5 * alpha * penalty
    if network.skip_weights is not None:
        outputs = outputs + X @ network.skip_weights.T
        total += 0.5 * skip_alpha * np.sum(network.skip_weights**2)
    return total + mean_loss(loss, outputs, y, weights)


def constrained_optimum(
    X, y, alpha, *, loss, limits, signs, hidden_bias=True, intercept=True, slope=0.0, weights=None
):
    """Optimum over all networks whose neurons keep signs: one program on all patterns of the data, by cvxpy.

    A neuron with the outer sign ``s`` has ``s limits_k w_k ≥ 0``; `signs` are the outer signs there are. `loss` takes
    outputs and targets, and returns a cvxpy expression for each sample.
    """
    design = augment(X, hidden_bias)
    masks = np.repeat(all_masks(design), len(signs), axis=0).T
    outer = np.tile(np.array(signs, dtype=float), masks.shape[1] // len(signs))
    blocks, c = cp.Variable((design.shape[1], masks.shape[1])), cp.Variable()
    seen = design @ blocks
    outputs_ = cp.multiply(np.where(masks, 1.0, slope), seen) @ outer + (c if intercept else 0.0)
    constraints = [cp.multiply(2.0 * masks - 1.0, seen) >= 0]
    for k in np.flatnonzero(limits):
        constraints.append(cp.multiply(limits[k] * outer, blocks[k]) >= 0)
    fit = normalised(weights, len(y)) @ loss(outputs_, y)
    program = cp.Problem(cp.Minimize(fit + alpha * cp.sum(cp.norm(blocks, 2, axis=0))), constraints)
    accuracy = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    return program.solve(solver="CLARABEL", **accuracy)
