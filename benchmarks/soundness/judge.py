"""Findings: what is wrong about the claims of a case."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.soundness.cases import Case
from benchmarks.soundness.evaluator import EPS, LONG_EPS, Arrays, Evaluated, evaluate
from benchmarks.soundness.gates import better_networks, networks_of_gates
from benchmarks.soundness.oracles import wrong_bounds
from benchmarks.soundness.refuter import candidates
from benchmarks.soundness.trainings import Answer, Claim, answer

# Kinds of findings, and whether one makes the attack fail: estimates may be wrong, and time depends on the machine.
FATAL = ("refuted proof", "objective mismatch", "inconsistent", "error", "file", "interruption")
KINDS = (*FATAL, "refuted estimate", "overrun")
# Bounds of programs are compared with networks whose cones hold to the accuracy of a solver.
_PROGRAM, _ESTIMATE = 1e-5, 1e-7
# Part by which a time limit may be overrun, and seconds besides.
_PART, _SECONDS = 0.1, 0.2


@dataclass(frozen=True)
class Finding:
    """What is wrong, in words; `better` has the arrays of a network that refutes a bound, `code` a script."""

    kind: str
    seed: int
    text: str
    case: Case | None = None
    better: Arrays | None = None
    code: str = ""


def judged(case: Case, effort: float = 1.0) -> tuple[list[Finding], Counter[str]]:
    """All findings of a case, and counts of what was looked at."""
    counts: Counter[str] = Counter(problems=1)
    try:
        got = answer(case)
    except Exception:
        lines = traceback.format_exc().strip().splitlines()
        text = "\n".join(["raised no ValueError:", *lines[-8:]])
        return [Finding("error", case.seed, text, case)], counts
    counts["refused"] += bool(got.refused)
    counts["trainings"] += got.n_trainings
    counts["certificates"] += got.n_certificates
    findings = [*_overruns(case, got)]
    if "certify" in case.follow and case.task()["activation"] not in ("gated_relu", "threshold"):
        n_proofs, texts = wrong_bounds(case)
        counts["bounds"] += n_proofs
        findings += [Finding("refuted proof", case.seed, text, case) for text in texts[:1]]
    for alpha in dict.fromkeys(claim.alpha for claim in got.claims):
        claims = [claim for claim in got.claims if claim.alpha == alpha]
        findings += _judge(case, case.task(alpha), claims, effort, counts)
    return findings, counts


def _overruns(case: Case, got: Answer) -> list[Finding]:
    limit = case.keywords.get("time_limit")
    many = len(case.keywords.get("alphas", [1]))  # each training of a path has the limit
    if limit is None or got.seconds <= many * (limit * (1 + _PART) + _SECONDS):
        return []
    text = f"{got.seconds:.2f} s of processor time with time_limit={limit:g}"
    return [Finding("overrun", case.seed, text, case)]


def _judge(
    case: Case, task: Arrays, claims: list[Claim], effort: float, counts: Counter[str]
) -> list[Finding]:
    findings, best = [], (np.longdouble(np.inf), None, 0.0)
    for claim in claims:
        findings += [
            Finding("inconsistent", case.seed, f"{claim.where}: {text}", case)
            for text in [*claim.contradictions, *_shapes(task, claim)]
        ]
        evaluated = evaluate(claim.network, task)
        if np.isfinite(evaluated.rounding) and evaluated.objective < best[0]:
            best = evaluated.objective, claim.network, evaluated.rounding
        findings += _mismatches(case, task, claim, evaluated)
        findings += _above_own(case, task, claim, evaluated)
    kinds = [kind for claim in claims for kind, _ in claim.bounds]
    counts["proofs"] += sum(kind != "estimate" for kind in kinds)
    if not kinds:
        return findings
    found = [claim.network for claim in claims]
    for network in _better(case, task, claims, found, effort):
        value = evaluate(network, task)
        if value.objective < best[0] and np.isfinite(value.rounding):
            best = value.objective, network, value.rounding
    slack = _slack(task, best[0], best[2])
    for claim in claims:
        for kind, bound in claim.bounds:
            finding = _refuted(case, task, claim, kind, bound, best[:2], slack)
            findings += [finding] if finding else []
    return _first_of_each(findings)


def _better(
    case: Case, task: Arrays, claims: list[Claim], found: list[Arrays], effort: float
) -> list[Arrays]:
    if found[0]["kind"] != "two_layer":
        if found[0]["kind"] == "threshold" or case.call == "train":
            is_program = any(kind == "program" for claim in claims for kind, _ in claim.bounds)
            return better_networks(task, found[0], case.seed, all_gates=not is_program)
        return []
    distinct = {id(one): one for one in found}
    return candidates(task, list(distinct.values())[:3], case.seed, effort)


def _slack(task: Arrays, objective: Any, rounding: float) -> float:
    """Rounding of the weights of samples, which are data in float64, and of the evaluator."""
    own = rounding * LONG_EPS / EPS if np.isfinite(rounding) else 0.0
    return float(abs(objective)) * 4 * (len(task["y"]) + 8) * EPS + own


def _refuted(
    case: Case,
    task: Arrays,
    claim: Claim,
    kind: str,
    bound: float,
    best: tuple[Any, Any],
    slack: float,
) -> Finding | None:
    lowest, network = best
    if kind == "cell":
        return None  # compared with its own network
    if kind == "program" and network is not None and network["kind"] == "two_layer":
        if claim.gates is None or task["hidden_bias"] == "free":
            return None
        values = [evaluate(one, task).objective for one in networks_of_gates(task, claim.gates)]
        lowest, slack = min(values, default=np.inf), _PROGRAM * abs(min(values, default=1.0))
        network = None
    if kind == "estimate":
        slack += _ESTIMATE * float(abs(lowest))
    if bound <= lowest + slack:
        return None
    name = "refuted estimate" if kind == "estimate" else "refuted proof"
    by = float(bound - lowest) / (float(abs(lowest)) or 1.0)
    text = f"{claim.where}: {kind} {bound!r}, but a network has {float(lowest)!r}, relatively {by:.2g} less"
    return Finding(name, case.seed, text, case, network)


def _above_own(case: Case, task: Arrays, claim: Claim, evaluated: Evaluated) -> list[Finding]:
    """Bounds of any scope that are above the network itself."""
    objective = evaluated.objective
    slack = _slack(task, objective, evaluated.rounding)
    texts = [
        f"{claim.where}: {kind} bound {bound!r} above {float(objective)!r} of the network itself"
        for kind, bound in claim.bounds
        if kind != "estimate" and bound > objective + slack
    ]
    return [Finding("refuted proof", case.seed, text, case) for text in texts[:1]]


def _mismatches(case: Case, task: Arrays, claim: Claim, evaluated: Evaluated) -> list[Finding]:
    texts = []
    off = claim.objective - evaluated.objective
    allowed = evaluated.rounding_up if off > 0 else evaluated.rounding
    if abs(off) > allowed:
        texts.append(
            f"objective {claim.objective!r} is {float(evaluated.objective)!r}, off by {float(off):.2g}; "
            f"rounding explains {allowed:.2g}"
        )
    if np.isfinite(evaluated.rounding) and claim.predicted is not None:
        predicted = np.reshape(claim.predicted.predict(task["X"]), evaluated.outputs.shape)
        off = abs(predicted - evaluated.outputs)
        if (off > evaluated.outputs_rounding).any():
            texts.append(f"predictions are off by {float(off.max()):.2g}")
    return [
        Finding("objective mismatch", case.seed, f"{claim.where}: {text}", case) for text in texts
    ]


def _shapes(task: Arrays, claim: Claim) -> list[str]:
    """Arrays that the problem does not allow."""
    network, wrong = claim.network, []
    numbers = [value for value in network.values() if isinstance(value, np.ndarray)]
    if not all(np.isfinite(array).all() for array in numbers):
        wrong.append("weights that are not finite")
    if not task["fit_intercept"] and network["output_bias"].any():
        wrong.append("an intercept")
    if not task["hidden_bias"] and network["hidden_bias"].any():
        wrong.append("hidden biases")
    if not task["skip"] and network["skip_weights"] is not None:
        wrong.append("a skip connection")
    if network["kind"] == "two_layer" and network["slope"] != task["slope"]:
        wrong.append("another activation")
    if claim.predicted is not None:
        width = len(network.get("gates", network["hidden_weights"]))
        if claim.predicted.width != width:
            wrong.append(f"width {claim.predicted.width} of {width} neurons")
    return wrong


def _first_of_each(findings: list[Finding]) -> list[Finding]:
    """One finding of a kind is enough for a case."""
    return list({finding.kind: finding for finding in reversed(findings)}.values())
