"""What is wrong about a network with a certificate, beside other networks of its class."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from benchmarks.soundness.cases import Case
from benchmarks.soundness.evaluator import EPS, LONG_EPS, Arrays, evaluate
from benchmarks.soundness.judge import Finding
from benchmarks.soundness.shrink import written
from benchmarks.soundness.trainings import arrays_of, contradictions_of_certificate

_ESTIMATE = 1e-6  # part by which an estimate may be above the objective of another network

Found = TypeVar("Found")


def attempted(
    call: Callable[[], Found], seed: int, code: str
) -> tuple[Found | None, list[Finding]]:
    """What a call returns, and None where it raises: the finding is that it raised no ValueError."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return call(), []
        except ValueError:
            return None, []
        except Exception as error:
            return None, [Finding("error", seed, f"raised no ValueError: {error!r}", code=code)]


def findings_beside(
    seed: int,
    network: Any,
    certificate: Any,
    task: Arrays,
    others: list[Arrays],
    code: str,
    slack: float = 0.0,
) -> Iterator[Finding]:
    """Objectives that are others, bounds above a network, contradictions; `slack` is of networks that are not exact.

    Any bound that is called a proof counts, whatever its scope: all of `others` are in the class that it is about.
    """

    def found(kind: str, text: str) -> Finding:
        return Finding(kind, seed, text, code=code)

    for text in contradictions_of_certificate(certificate):
        yield found("inconsistent", text)
    own = evaluate(arrays_of(network), task)
    off = certificate.objective - own.objective
    allowed = own.rounding_up if off > 0 else own.rounding
    if abs(off) > allowed:
        text = f"objective {certificate.objective!r} is {float(own.objective)!r}; rounding explains {allowed:.2g}"
        yield found("objective mismatch", text)
    values = [evaluate(other, task) for other in others]
    lowest = min([own, *values], key=lambda value: value.objective)
    kind = "refuted proof" if certificate.is_proof else "refuted estimate"
    room = float(abs(lowest.objective)) * (4 * (len(task["y"]) + 8) * EPS + slack)
    room += lowest.rounding * LONG_EPS / EPS if np.isfinite(lowest.rounding) else 0.0
    claims = [("refuted proof", certificate.proved_lower_bound), (kind, certificate.lower_bound)]
    for name, bound in claims:
        part = _ESTIMATE * float(abs(lowest.objective)) if name == "refuted estimate" else 0.0
        if bound > lowest.objective + room + part:
            yield found(name, f"bound {bound!r}, but a network has {float(lowest.objective)!r}")


def script_of(case: Case, problem: Arrays, call: str) -> str:
    """A script with the data of a case, and a call that has them as `options`."""
    lines = [
        "import numpy as np",
        "from convexrelu import *",
        "from convexrelu.losses import Huber, Quantile",
        f"options = {written(problem)}  # seed {case.seed}",
        call,
    ]
    return "\n".join(lines) + "\n"
