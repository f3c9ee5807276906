"""Training under constraints on outputs, and quantiles that do not cross, against networks that meet them.

Networks to compare with are solutions of convex programs over patterns and outer directions, with constraints that are
tightened by a little, so that they hold exactly.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.soundness.beside import attempted, findings_beside, script_of
from benchmarks.soundness.cases import Case, Rng, draw
from benchmarks.soundness.classes import asked_of, plain
from benchmarks.soundness.evaluator import LONG_EPS, Arrays
from benchmarks.soundness.judge import Finding
from benchmarks.soundness.refuter import Scaled, all_masks, expression
from benchmarks.soundness.shrink import written
from benchmarks.soundness.trainings import arrays_of, resolved
from convexrelu import ConvexReLUQuantileRegressor, TrainingProblem
from convexrelu.output_constraints import OutputConstraints, train_with_output_constraints

_MASKS = 40  # of a program, at random where there are more
_DIRECTIONS = 10  # of outer weights
# Constraints are tightened by this part of the outputs' size; equations hold to a solver's accuracy.
_MARGIN, _OF_EQUATIONS = 1e-8, 1e-5


@dataclass(frozen=True)
class Rows:
    """``A f(z) ≤ b``, or ``=``, at every point ``z``."""

    points: Any
    A: Any
    b: Any
    equal: bool

    def excess(self, network: Arrays) -> tuple[Any, Any]:
        """Left sides less right sides in extended precision, and how far they may be off."""
        Z, W, b, A, c = (
            np.asarray(array, dtype=np.longdouble)
            for array in (
                self.points,
                network["hidden_weights"],
                network["hidden_bias"],
                network["output_weights"],
                network["output_bias"],
            )
        )
        seen, sizes = Z @ W.T + b, abs(Z) @ abs(W).T + abs(b)
        f = np.where(seen > 0, seen, np.longdouble(network["slope"]) * seen) @ A.T + c
        sizes = sizes @ abs(A).T + abs(c)
        rows = np.asarray(self.A, dtype=np.longdouble)
        terms = 4 * (sum(W.shape) + len(c) + 4) * LONG_EPS
        return f @ rows.T - self.b, terms * (sizes @ abs(rows).T + np.abs(self.b))


def findings_of(seed: int) -> list[Finding]:
    """Findings of a seed: every third is a band of quantiles."""
    rng = np.random.default_rng([seed, 8])
    return _of_bands(seed, rng) if seed % 3 == 0 else _of_constraints(seed, rng)


def _of_constraints(seed: int, rng: Rng) -> list[Finding]:
    case = draw(seed)
    y = case.y
    case = plain(case)
    if y.ndim == 2:
        case = replace(case, y=y)
    rows, asked = _rows(case, rng), asked_of(rng)
    parts = f"{written(rows.points)}, {written(rows.A)}, {written(rows.b)}, equal={rows.equal}"
    call = (
        "from convexrelu.output_constraints import OutputConstraints, train_with_output_constraints\n"
        f"constraints = OutputConstraints({parts})\n"
        f"result = train_with_output_constraints(TrainingProblem(**options), constraints, **{asked})\n"
        "print(result.certificate, result.status, result.violation)"
    )
    problem = resolved(case)[0]
    code = script_of(case, problem, call)

    def run() -> Any:
        constraints = OutputConstraints(rows.points, rows.A, rows.b, equal=rows.equal)
        return train_with_output_constraints(TrainingProblem(**problem), constraints, **asked)

    result, found = attempted(run, seed, code)
    if result is None:
        return found
    texts = _violations(rows, arrays_of(result.network), result.violation)
    found = [Finding("inconsistent", seed, text, code=code) for text in texts]
    return found + _beside(case, rows, result.network, result.certificate, rng, code)


def _of_bands(seed: int, rng: Rng) -> list[Finding]:
    case = plain(draw(seed))
    levels = np.sort(rng.uniform(0.02, 0.98, int(rng.integers(2, 4))))
    where = str(rng.choice(["samples", "box"]))
    given = case.options
    options = {name: given[name] for name in given if name in ("sample_weight", "hidden_bias")}
    options |= {"loss": "quantile", "fit_intercept": True}
    case = replace(case, options=options, loss_parameter=levels)
    asked = asked_of(rng) | {"hidden_bias": bool(options["hidden_bias"])}
    asked |= {"no_crossing": where, "alpha": case.alpha}
    weights = options.get("sample_weight")
    data = {"X": case.X, "y": case.y, "sample_weight": weights}
    call = (
        f"bands = ConvexReLUQuantileRegressor({levels.tolist()!r}, **{asked}).fit(**options)\n"
        "print(bands.certificate_, bands.status_, bands.crossing_)"
    )
    code = script_of(case, data, call)
    bands = ConvexReLUQuantileRegressor(levels.tolist(), **asked)
    fitted, found = attempted(lambda: bands.fit(case.X, case.y, weights), seed, code)
    if fitted is None:
        return found
    alive = np.ones(len(case.X), dtype=bool) if weights is None else weights > 0
    points = case.X[alive]
    A = np.eye(len(levels))[:-1] - np.eye(len(levels))[1:]
    rows = Rows(points, A, 0.0, equal=False)
    network = arrays_of(bands.network_)
    texts = list(_violations(rows, network, 0.0))
    if where == "box" and bands.crossing_.is_safe:
        corners = points.min(axis=0), points.max(axis=0)
        inside = Rows(rng.uniform(*corners, (200, points.shape[1])), A, 0.0, equal=False)
        texts += [f"in the box: {text}" for text in _violations(inside, network, 0.0)]
    found = [Finding("inconsistent", seed, text, code=code) for text in texts]
    case = replace(case, y=np.tile(case.y[:, None], (1, len(levels))))
    if where == "box":  # networks to compare with meet the constraints at the samples alone
        return [*found, *_alone(case, bands, code)]
    return found + _beside(case, rows, bands.network_, bands.certificate_, rng, code)


def _alone(case: Case, bands: Any, code: str) -> Iterator[Finding]:
    task = case.task()
    return findings_beside(case.seed, bands.network_, bands.certificate_, task, [], code)


def _beside(
    case: Case, rows: Rows, network: Any, certificate: Any, rng: Rng, code: str
) -> list[Finding]:
    task = case.task()
    others = better_networks(task, rows, arrays_of(network), rng)
    slack = _OF_EQUATIONS if rows.equal else 1e-7
    return list(findings_beside(case.seed, network, certificate, task, others, code, slack))


def _rows(case: Case, rng: Rng) -> Rows:
    """Upper bounds, differences of outputs, or values, at some samples and points beside them."""
    K, X = 1 if case.y.ndim == 1 else case.y.shape[1], case.X
    points = X[rng.permutation(len(X))[: int(rng.integers(1, 4))]].copy()
    if rng.random() < 0.5:
        points = points + 0.3 * X.std(axis=0) * rng.standard_normal(points.shape)
    choice, targets = rng.random(), np.reshape(case.y, (len(X), K))
    low, high = targets.min(axis=0), targets.max(axis=0)
    if K > 1 and choice < 0.5:
        return Rows(points, np.eye(K)[:-1] - np.eye(K)[1:], 0.0, equal=False)
    if choice < 0.65:
        part = rng.uniform(0.0, 1.0, K)
        return Rows(points, np.eye(K), low + part * (high - low), equal=False)
    if choice < 0.8:
        A = rng.standard_normal((int(rng.integers(1, 3)), K))
        return Rows(points, A, A @ targets.mean(axis=0), equal=False)
    return Rows(points, np.eye(K), targets[int(rng.integers(len(X)))], equal=True)


def _violations(rows: Rows, network: Arrays, claimed: float) -> Iterator[str]:
    """What is violated by more than is said."""
    excess, rounding = rows.excess(network)
    excess = abs(excess) if rows.equal else excess
    if (excess > claimed + rounding).any():
        yield f"a violation of {float(excess.max()):.3g}, where {claimed:.3g} is claimed"


# Networks that meet the constraints


def better_networks(task: Arrays, rows: Rows, found: Arrays, rng: Rng) -> list[Arrays]:
    """Solutions over patterns and outer directions of what was found, and others."""
    scaled = Scaled(task)
    Z = np.hstack([rows.points, np.ones((len(rows.points), 1))])[:, : scaled.A.shape[1]]
    Z = Z / scaled.rho
    everything = np.unique(np.vstack([scaled.A, Z]), axis=0)
    U, V, *_ = scaled.parameters(found)
    masks = np.vstack([scaled.A, Z]) @ U.T > 0
    if len(everything) <= 8 and everything.shape[1] <= 3:
        masks = np.hstack([masks, all_masks(np.vstack([scaled.A, Z])).T])
    else:
        more = rng.standard_normal((_MASKS, scaled.A.shape[1]))
        masks = np.hstack([masks, np.vstack([scaled.A, Z]) @ more.T > 0])
    masks = np.unique(masks.T, axis=0)
    masks = masks[rng.permutation(len(masks))[:_MASKS]]
    outer = np.array([[1.0], [-1.0]])
    if scaled.k > 1:
        outer = np.vstack([rng.standard_normal((_DIRECTIONS, scaled.k)), V])[:_DIRECTIONS]
        outer = outer / np.linalg.norm(outer, axis=1, keepdims=True)
    solved = _solved(scaled, rows, Z, masks, outer)
    if solved is None:
        return []
    network = scaled.network(*solved)
    excess, rounding = rows.excess(network)
    size = scaled.tau * np.linalg.norm(rows.A, axis=1)
    allowed = 1e-6 * size if rows.equal else -rounding
    excess = abs(excess) if rows.equal else excess
    return [network] if (excess <= allowed).all() else []


def _solved(scaled: Scaled, rows: Rows, Z: Any, masks: Any, outer: Any) -> Any:
    """Neurons of the program with a block for each pattern and outer direction; None where the solver fails."""
    task, n = scaled.task, len(scaled.A)
    D = np.repeat(np.where(masks, 1.0, scaled.slope), len(outer), axis=0).T
    signs = np.repeat(2.0 * masks - 1, len(outer), axis=0).T
    G = np.tile(outer, (len(masks), 1))
    units = cp.Variable((len(G), scaled.A.shape[1]))
    c = cp.Variable(scaled.k) if task["fit_intercept"] else np.zeros(scaled.k)
    seen = np.vstack([scaled.A, Z]) @ units.T
    f = cp.multiply(D, seen) @ G + np.ones((len(D), 1)) @ cp.reshape(c, (1, scaled.k), order="C")
    cones = [cp.multiply(signs, seen) >= 0]
    lengths = np.linalg.norm(rows.A, axis=1)
    sides = np.broadcast_to(rows.b, (len(Z), len(rows.A))) - rows.A @ scaled.center
    left, right = f[n:] @ (rows.A / lengths[:, None]).T, sides / lengths / scaled.tau
    cones += [left == right] if rows.equal else [left <= right - _MARGIN]
    risk = 0.0
    for k in range(scaled.k):
        level = task["loss_parameter"]
        one = task | {"loss_parameter": level[k] if np.ndim(level) else level}
        y = np.reshape(scaled.y, (n, scaled.k))[:, k]
        risk = risk + expression(one, f[:n, k], y, scaled.s)
    objective = cp.Minimize(risk + scaled.alpha * cp.sum(cp.norm(units, axis=1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cp.Problem(objective, cones).solve(cp.CLARABEL, accept_unknown=True)
        except cp.SolverError:
            return None
    if units.value is None or not np.isfinite(units.value).all():
        return None
    constant = c.value if task["fit_intercept"] else c
    return units.value, G, constant, np.zeros((scaled.d, scaled.k))
