"""Calls of the package for a case, and what it claims about their results."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from benchmarks.soundness.cases import Case
from benchmarks.soundness.evaluator import Arrays
from convexrelu import (
    ChunkedProblem,
    Result,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    regularization_path,
    train,
    train_in_chunks,
)
from convexrelu.losses import Huber, Quantile
from convexrelu.optimal_set import minimal

LOSSES = {"huber": Huber, "quantile": Quantile}


@dataclass
class Claim:
    """A network that came back, what is said about it, and where.

    `bounds` are pairs of a kind, ``"proof"``, ``"program"``, ``"cell"`` or ``"estimate"``, and a number.
    """

    where: str
    alpha: float
    network: Arrays | None
    objective: float | None
    bounds: list[tuple[str, float]]
    contradictions: list[str] = field(default_factory=list)
    predicted: Any = None
    gates: Any = None


@dataclass
class Answer:
    """All claims of the calls of a case, and the processor time of the first call."""

    claims: list[Claim]
    refused: str = ""
    seconds: float = 0.0
    n_certificates: int = 0
    n_trainings: int = 0


def resolved(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the problem, and of the call, as the package takes them."""
    rng = np.random.default_rng([case.seed, 1])
    options, keywords = dict(case.options), dict(case.keywords)
    if options.get("loss") in LOSSES and case.loss_parameter is not None:
        options["loss"] = LOSSES[options["loss"]](case.loss_parameter)
    X = csr_array(case.X) if case.is_sparse else case.X
    problem = {"X": X, "y": case.y, "alpha": case.alpha, **options}
    task = case.task()
    if keywords.get("start") == "drawn" or "network" in keywords:
        network = _drawn_network(case, task, rng, keywords.get("network", "drawn"))
        keywords["network" if "network" in keywords else "start"] = network
    if isinstance(keywords.get("patterns"), str) and keywords["patterns"] == "drawn":
        n_columns = case.X.shape[1] + bool(task["hidden_bias"])
        keywords["patterns"] = rng.standard_normal((keywords["n_patterns"], n_columns))
    if "alphas" in keywords:
        keywords["alphas"] = [factor * case.alpha for factor in keywords["alphas"]]
    return problem, keywords


def _drawn_network(case: Case, task: Arrays, rng: Any, which: str) -> TwoLayerNetwork:
    y, d = case.y, case.X.shape[1]
    k = int(y.max()) + 1 if task["loss"] == "multinomial" else 1 if y.ndim == 1 else y.shape[1]
    m = 0 if which == "constant" else int(rng.integers(1, 6))
    scale = np.sqrt((np.abs(y).max() or 1.0) / (np.abs(case.X).max() or 1.0) / max(m, 1))
    size = scale * 10 ** rng.uniform(-1, 0.5)
    constant = y.mean(axis=0) if task["loss"] in ("squared_error", "absolute_error") else 0.0
    skip = 0.1 * size**2 * rng.standard_normal((k, d)) if task["skip"] and m > 2 else None
    return TwoLayerNetwork(
        size * rng.standard_normal((m, d)),
        size * rng.standard_normal(m) * bool(task["hidden_bias"]),
        size * rng.standard_normal((k, m)),
        np.broadcast_to(constant, (k,)) * task["fit_intercept"],
        negative_slope=task["slope"],
        skip_weights=skip,
    )


def arrays_of(network: Any) -> Arrays:
    """Arrays of a network, as the evaluator takes them."""
    if isinstance(network, TwoLayerNetwork):
        names = ("hidden_weights", "hidden_bias", "output_weights", "output_bias", "skip_weights")
        values = {name: getattr(network, name) for name in names}
        return {"kind": "two_layer", "slope": network.negative_slope, **values}
    gates, weights = np.asarray(network.gates), np.asarray(network.weights)
    has_bias, d, m = network.hidden_bias, network.n_features, len(network.gates)
    arrays = {
        "gates": gates[:, :d],
        "gate_biases": gates[:, d] if has_bias else np.zeros(m),
        "output_bias": np.array([network.intercept]),
        "skip_weights": None,
    }
    if weights.ndim == 1:
        hidden = {"hidden_weights": np.zeros((m, d)), "hidden_bias": np.zeros(m)}
        return {"kind": "threshold", **arrays, **hidden, "output_weights": weights[None]}
    inner = {"hidden_weights": weights[:, :d], "hidden_bias": np.zeros(m)}
    if has_bias:
        inner["hidden_bias"] = weights[:, d]
    return {"kind": "gated", **arrays, **inner, "output_weights": np.ones((1, m))}


def answer(case: Case) -> Answer:
    """Carry out the call of a case, and what follows; raises what is no ValueError."""
    try:
        problem, keywords = resolved(case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _answer(case, problem, keywords)
    except ValueError as error:
        return Answer([], refused=str(error) or repr(error))


def _answer(case: Case, problem: dict[str, Any], keywords: dict[str, Any]) -> Answer:
    if case.call == "certify":
        began = time.process_time()
        certificate = certify(keywords.pop("network"), **problem, **keywords)
        found = Answer([], seconds=time.process_time() - began)
        given = resolved(case)[1]["network"]
        _add_certified(found, "certify", case, given, certificate, keywords.get("tol", 1e-3))
        return found
    posed = TrainingProblem(**problem)
    began = time.process_time()
    if case.call == "train":
        results, alphas = [train(posed, **keywords)], [case.alpha]
    elif case.call == "train_in_chunks":
        results, alphas = [train_in_chunks(ChunkedProblem(**problem), **keywords)], [case.alpha]
    else:
        alphas = keywords.pop("alphas")
        results = regularization_path(posed, alphas, **keywords)
    found = Answer([], seconds=time.process_time() - began)
    for alpha, result in zip(alphas, results, strict=False):
        _add_result(found, case.call, alpha, result, keywords)
    if isinstance(results[-1].network, TwoLayerNetwork):
        for name in case.follow:
            _follow(found, name, case, problem | {"alpha": alphas[len(results) - 1]}, results[-1])
    return found


def _add_result(
    found: Answer, where: str, alpha: float, result: Result, keywords: dict[str, Any]
) -> None:
    certificate, network = result.certificate, result.network
    needs_proof = keywords.get("effort") == "prove" and "oracle" not in keywords
    wrong = list(_contradictions(result, keywords.get("tol", 1e-3), needs_proof))
    own = Claim(
        where, alpha, arrays_of(network), certificate.objective, _bounds(certificate), wrong
    )
    given = keywords.get("patterns")
    own.gates = given if isinstance(given, np.ndarray) else None
    own.bounds += [
        ("proof" if certificate.scope == "global" else "program", row.lower_bound)
        for row in result.history
        if row.is_proof
    ]
    own.predicted = network
    found.claims.append(own)
    found.n_trainings += 1
    found.n_certificates += max(len(result.history), 1)


def _bounds(certificate: Any) -> list[tuple[str, float]]:
    bounds = [("proof", certificate.proved_lower_bound)]
    kind = "proof" if certificate.scope == "global" else "program"
    kind = kind if certificate.is_proof else "estimate"
    return [*bounds, (kind, certificate.lower_bound)]


def _contradictions(result: Result, tol: float, needs_proof: bool) -> Iterator[str]:
    """What a result says that does not fit together."""
    certificate, status = result.certificate, result.status.name
    gap = certificate.relative_gap
    if status == "CONVERGED" and gap > tol:
        yield f"CONVERGED with a gap of {gap:.3g} above tol={tol:.3g}"
    if status == "CONVERGED" and needs_proof and not certificate.is_proof:
        yield "CONVERGED without the proof that effort='prove' asks for"
    if status in ("FAILED", "INFEASIBLE", "INACCURATE", "STALLED") and gap <= tol:
        yield f"{status} with a gap of {gap:.3g} within tol={tol:.3g}"
    if result.history:
        last = result.history[-1]
        if last.objective < certificate.objective * (1 - 1e-12):
            yield f"a history that ends at {last.objective!r}, below {certificate.objective!r}"
        objectives = np.array([row.objective for row in result.history])
        # A narrower network may be worse by a small part of the tolerance.
        if (objectives[1:] > objectives[:-1] * (1 + max(0.1 * tol, 1e-12))).any():
            yield f"objectives of the best network so far that rise: {objectives}"
    yield from contradictions_of_certificate(certificate)


def contradictions_of_certificate(certificate: Any) -> Iterator[str]:
    low, objective = certificate.lower_bound, certificate.objective
    if not (np.isfinite(objective) and np.isfinite(low)):
        yield f"numbers that are not finite: {certificate}"
    is_global = certificate.is_proof and certificate.scope == "global"
    if is_global and certificate.proved_lower_bound > low:
        yield f"a proof of {low!r}, and of more: {certificate.proved_lower_bound!r}"
    gap = max(objective - low, 0.0)
    if abs(certificate.relative_gap * abs(objective) - gap) > 1e-12 * gap:
        yield f"a relative gap of {certificate.relative_gap!r} that is not that of its numbers"


def _add_certified(
    found: Answer, where: str, case: Case, network: TwoLayerNetwork, certificate: Any, tol: float
) -> None:
    wrong = list(contradictions_of_certificate(certificate))
    bounds = [*_bounds(certificate), ("cell", certificate.cell_lower_bound)]
    claim = Claim(where, case.alpha, arrays_of(network), certificate.objective, bounds, wrong)
    claim.predicted = network
    found.claims.append(claim)
    found.n_certificates += 1
    if certificate.improved is not None:
        _add_result(found, f"{where}, improved", case.alpha, certificate.improved, {"tol": tol})


def _follow(found: Answer, name: str, case: Case, problem: dict[str, Any], result: Result) -> None:
    """The same network again: certified, merged, pruned, or with the fewest neurons."""
    network, alpha = result.network, problem["alpha"]
    posed = TrainingProblem(**problem)
    if name == "certify":
        again = certify(network, **problem, oracle="quick", random_state=0)
        at = replace(case, alpha=alpha)
        _add_certified(found, "certify of the result", at, network, again, 1e-3)
        rounding = 1e-9 * abs(again.objective)
        if abs(again.objective - result.certificate.objective) > rounding:
            found.claims[-1].contradictions.append(
                f"objectives {result.certificate.objective!r} of training and {again.objective!r} of certify"
            )
        return
    if name == "minimal":
        other = minimal(network, posed)
    elif name == "merge":
        other = network.merge(free_bias=posed.free_bias, X=posed.X)
    else:
        other = network.prune()
    before, after = posed.objective(network), posed.objective(other)
    claim = Claim(f"{name} of the result", alpha, arrays_of(other), after, [])
    claim.predicted = other
    if name == "merge" and after > before * (1 + 1e-6) and not _is_kept(network, other, posed):
        claim.contradictions.append(
            f"another function, objective {before!r} before, {after!r} after"
        )
    if name != "merge" and after > before * (1 + 1e-9):
        claim.contradictions.append(f"objective {before!r} before and {after!r} after")
    found.claims.append(claim)


def _is_kept(network: TwoLayerNetwork, merged: TwoLayerNetwork, problem: TrainingProblem) -> bool:
    """Whether a merged network is the same function on the samples, as closely as `merge` says, and no larger."""
    X = problem.X.toarray() if issparse(problem.X) else problem.X
    inner = np.linalg.norm(network.augmented_weights(), axis=1)
    outer = np.linalg.norm(network.output_weights, axis=0)
    radius = np.linalg.norm(X - X.mean(axis=0), axis=1).max()
    lengths = np.linalg.norm(np.column_stack([X, np.ones(len(X))]), axis=1).max()
    rounding = 64 * np.finfo(np.float64).eps * lengths * float(inner @ outer)
    allowed = 1e-9 * radius * float(np.linalg.norm(network.hidden_weights, axis=1) @ outer)
    moved = np.abs(merged.predict(X) - network.predict(X)).max()
    heavier = problem.penalty(merged) > problem.penalty(network) * (1 + 1e-12)
    return bool(moved <= allowed + rounding) and not heavier
