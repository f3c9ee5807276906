"""Training in classes of networks, monotone and with positive outer weights, against networks of the class.

On tiny problems these are optima of the convex program over all patterns; descent within bounds finds others.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.soundness.beside import attempted, findings_beside, script_of
from benchmarks.soundness.cases import Case, Rng, draw
from benchmarks.soundness.evaluator import Arrays
from benchmarks.soundness.judge import Finding
from benchmarks.soundness.refuter import Scaled, all_masks, descend, solve_program
from benchmarks.soundness.trainings import arrays_of, resolved
from convexrelu import TrainingProblem
from convexrelu.constrained import train_in_class

_STARTS = 3  # of descent
_STEPS = 300


def findings_of(seed: int) -> list[Finding]:
    """Findings of a seed."""
    case, rng = plain(draw(seed)), np.random.default_rng([seed, 7])
    limits = rng.integers(-1, 2, case.X.shape[1]).astype(float)
    positive = bool(rng.random() < 0.4)
    if rng.random() < 0.2:
        limits, positive = np.zeros_like(limits), True
    problem = resolved(case)[0]
    asked = asked_of(rng)
    call = (
        "from convexrelu.constrained import train_in_class\n"
        f"result = train_in_class(TrainingProblem(**options), {limits.tolist()!r}, positive={positive}, **{asked})\n"
        "print(result.certificate, result.status)"
    )
    code = script_of(case, problem, call)

    def run() -> Any:
        return train_in_class(TrainingProblem(**problem), limits, positive=positive, **asked)

    result, found = attempted(run, seed, code)
    if result is None:
        return found
    with warnings.catch_warnings(action="ignore"):
        others = better_in_class(case, limits, positive, rng)
    if not is_inside(arrays_of(result.network), limits, positive):
        found.append(Finding("inconsistent", seed, "a network outside of its class", code=code))
    found += findings_beside(seed, result.network, result.certificate, case.task(), others, code)
    return found


def plain(case: Case) -> Case:
    """The case with one output, and without what classes do not support."""
    given = case.options
    options = {name: given[name] for name in given if name not in ("skip", "skip_alpha")}
    if options.get("activation", "relu") not in ("relu", "leaky_relu"):
        del options["activation"]
    if options.get("hidden_bias") == "free":
        options["hidden_bias"] = True
    y = case.y if case.y.ndim == 1 else case.y[:, 0]
    if options.get("loss") == "multinomial":
        options["loss"], y = "logistic", np.where(y > 0, 1.0, -1.0)
    return replace(case, options=options, y=y, is_sparse=False, call="train", follow=())


def asked_of(rng: Rng) -> dict[str, Any]:
    """Options of a training."""
    return {
        "effort": str(rng.choice(["predict", "certify", "prove"], p=[0.2, 0.6, 0.2])),
        "tol": float(rng.choice([0.1, 1e-3, 1e-6])),
        "max_iter": int(rng.choice([1, 3, 10])),
        "time_limit": float(rng.choice([0.0, 0.3, 2.0], p=[0.1, 0.2, 0.7])),
        "random_state": int(rng.integers(100)),
    }


def is_inside(network: Arrays, limits: Any, positive: bool) -> bool:
    """Whether all neurons have the signs of a class, exactly."""
    outer = network["output_weights"][0]
    right = np.sign(outer)[:, None] * limits * np.sign(network["hidden_weights"]) >= 0
    return bool(right.all() and not (positive and (outer < 0).any()))


def better_in_class(case: Case, limits: Any, positive: bool, rng: Rng) -> list[Arrays]:
    """Networks of the class, by descent within bounds, and over all patterns of tiny problems."""
    scaled = Scaled(case.task())
    m = np.zeros(scaled.A.shape[1])
    m[: len(limits)] = limits

    def more(plus: Any, minus: Any) -> list[Any]:
        held = np.flatnonzero(m)
        constraints = [minus == 0] if positive else []
        if len(held):
            constraints += [plus[:, held] @ np.diag(m[held]) >= 0]
            constraints += [minus[:, held] @ np.diag(m[held]) <= 0]
        return constraints

    starts = [_start(scaled, m, positive, rng) for _ in range(_STARTS)]
    if len(scaled.A) <= 7 and scaled.A.shape[1] <= 3:
        solved = solve_program(scaled, all_masks(scaled.A), polish=False, more=more)
        starts += [] if solved is None else [solved]
    networks = []
    with np.errstate(all="ignore"):
        for start in starts:
            U, V, c, S = _inside(start, m, positive)
            bounds = _bounds(U, V, c, S, m)
            networks += [scaled.network(U, V, c, S)]
            networks += [scaled.network(*descend(scaled, (U, V, c, S), _STEPS, bounds))]
    return [one for one in networks if np.isfinite(one["hidden_weights"]).all()]


def _start(scaled: Scaled, m: Any, positive: bool, rng: Rng) -> Any:
    width = int(rng.choice([8, 24]))
    U = rng.standard_normal((width, len(m)))
    V = rng.uniform(0.1, 1.0, (width, 1)) / np.sqrt(width)
    return U, V * (1 if positive else rng.choice([-1.0, 1.0], V.shape)), np.zeros(1), None


def _inside(start: Any, m: Any, positive: bool) -> Any:
    """Weights of the wrong sign become zero."""
    U, V, c, _ = start
    kept = V[:, 0] > 0 if positive else V[:, 0] != 0
    U, V = U[kept], V[kept]
    return np.where(np.sign(V) * m * U < 0, 0.0, U), V, c, np.zeros((0, 1))


def _bounds(U: Any, V: Any, c: Any, S: Any, m: Any) -> list[tuple[float | None, float | None]]:
    signs = np.concatenate([np.ravel(np.sign(V) * m), np.ravel(np.sign(V))])
    ends = {1.0: (0.0, None), -1.0: (None, 0.0), 0.0: (None, None)}
    return [ends[float(sign)] for sign in signs] + [(None, None)] * (np.size(c) + np.size(S))
