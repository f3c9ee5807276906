"""Estimators whose data become other problems: several labels, exposures, gaps in targets, weights of zero.

The objective that a certificate is about is computed once more from the data as they are given.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.soundness.beside import attempted, findings_beside, script_of
from benchmarks.soundness.cases import Rng, draw
from benchmarks.soundness.classes import asked_of, plain
from benchmarks.soundness.evaluator import Arrays
from benchmarks.soundness.judge import Finding
from benchmarks.soundness.refuter import candidates
from benchmarks.soundness.trainings import arrays_of
from convexrelu import ConvexReLUClassifier, ConvexReLURegressor

_EFFORT = 0.3  # of the search for better networks


def findings_of(seed: int) -> list[Finding]:
    """Findings of a seed."""
    case, rng = plain(draw(seed)), np.random.default_rng([seed, 9])
    made = _labels if seed % 3 == 0 else _exposed if seed % 3 == 1 else _gaps
    name, data, options, changes = made(case.X, rng)
    names = ("activation", "negative_slope", "hidden_bias", "fit_intercept")
    options |= {key: case.options[key] for key in names if key in case.options}
    options |= {"alpha": case.alpha, "minimal": False, **asked_of(rng)}
    estimator = {"Classifier": ConvexReLUClassifier, "Regressor": ConvexReLURegressor}[name]
    data = {"X": case.X, **data}
    call = f"model = ConvexReLU{name}(**{options}).fit(**options)\nprint(model.certificate_, model.status_)"
    code = script_of(case, data, call)
    model, found = attempted(lambda: estimator(**options).fit(**data), seed, code)
    if model is None:
        return found
    task = case.task() | {"sample_weight": None, "loss_parameter": None} | changes
    with warnings.catch_warnings(action="ignore"):
        others = candidates(task, [arrays_of(model.network_)], seed, _EFFORT)
    return list(findings_beside(seed, model.network_, model.certificate_, task, others, code))


Made = tuple[str, Arrays, Arrays, Arrays]  # estimator, data, options, and what the task has


def _labels(X: Any, rng: Rng) -> Made:
    """Labels of which each is a sum of logistic losses; those that do not vary have no output."""
    labels = (rng.random((len(X), int(rng.integers(2, 4)))) < 0.5).astype(int)
    weights = np.where(rng.random(len(X)) < 0.2, 0.0, rng.exponential(size=len(X)))
    weights[rng.integers(len(X))] = 1.0
    alive = labels[weights > 0]
    varies = alive.any(axis=0) & ~alive.all(axis=0)
    varies[0] |= not varies.any()  # then the network is that of the first label
    signs = 2.0 * labels[:, varies] - 1
    task = {
        "y": signs[:, 0] if signs.shape[1] == 1 else signs,
        "loss": "logistic",
        "sample_weight": weights,
    }
    return "Classifier", {"y": labels, "sample_weight": weights}, {}, task


def _exposed(X: Any, rng: Rng) -> Made:
    """Counts with exposures: rates with the exposures as weights."""
    times = 10 ** rng.uniform(-1, 1, len(X))
    counts = rng.poisson(times).astype(float)
    counts[rng.integers(len(X))] += 1.0
    weights = rng.exponential(size=len(X))
    if len(X) > 2:
        weights[rng.integers(len(X))] = 0.0
    task = {"y": counts / times, "loss": "poisson", "sample_weight": weights * times}
    data = {"y": counts, "exposure": times, "sample_weight": weights}
    return "Regressor", data, {"loss": "poisson"}, task


def _gaps(X: Any, rng: Rng) -> Made:
    """Targets of which some are not known: those have no loss, as samples of other weights have."""
    loss = str(rng.choice(["squared_error", "absolute_error"]))
    y = rng.standard_normal((len(X), int(rng.integers(2, 4))))
    y[rng.random(y.shape) < 0.3] = np.nan
    task = {"y": y, "loss": loss, "sample_weight": np.isfinite(y).any(axis=1) + 0.0}
    return "Regressor", {"y": y}, {"loss": loss, "missing_targets": "ignore"}, task
