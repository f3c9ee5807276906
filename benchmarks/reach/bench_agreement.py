"""Agreement of :mod:`convexrelu.reach` with other ways, on 200 small networks, most of them degenerate."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from benchmarks.common import quick_asked, report
from benchmarks.reach.reference import largest_output, lipschitz_by_signs, random_network
from convexrelu import TwoLayerNetwork
from convexrelu.reach import is_safe, lipschitz_constant, output_range

NORMS = (1, 2, math.inf)


def main() -> None:
    """Largest differences over all networks, and verdicts that samples contradict."""
    quick = quick_asked(main.__doc__)
    networks = [random_network(seed) for seed in range(10 if quick else 200)]
    n_samples = 10_000 if quick else 1_000_000
    questions = {
        "range of outputs": _ranges,
        "Lipschitz constant": _constants,
        "safety": lambda network, seed: _verdicts(network, seed, n_samples),
    }
    rows = []
    for name, question in questions.items():
        started = time.perf_counter()
        answers = [question(network, seed) for seed, network in enumerate(networks)]
        rows.append(_row(name, answers, time.perf_counter() - started))
    report("reach_agreement", rows, write=not quick)


def _row(name: str, answers: list[tuple[float, int, int]], seconds: float) -> dict[str, Any]:
    differences, questions, contradictions = zip(*answers, strict=True)
    return {
        "question": name,
        "networks": len(answers),
        "questions": sum(questions),
        "largest difference": f"{max(differences):.1e}",
        "contradictions": sum(contradictions),
        "seconds, both ways": f"{seconds:.0f}",
    }


def _ranges(network: TwoLayerNetwork, seed: int) -> tuple[float, int, int]:
    """Values and bounds beside a mixed-integer program, relative to the larger of one and the value."""
    d, W, p = network.n_features, network.hidden_weights, network.hidden_bias
    ones = np.ones(d)
    answer = output_range(network, -ones, ones)
    differences, contradictions = [], 0
    for k in range(network.n_outputs):
        a, c = network.output_weights[k], network.output_bias[k]
        for sign, value, bound in (
            (1, answer.greatest[k], answer.upper[k]),
            (-1, -answer.least[k], -answer.lower[k]),
        ):
            expected, _ = largest_output(W, p, sign * a, sign * c, -ones, ones)
            scale = max(1.0, abs(expected))
            differences += [abs(value - expected) / scale, abs(bound - expected) / scale]
            contradictions += bool(bound < expected - 1e-13 * scale)
    return max(differences), len(differences) // 2, contradictions


def _constants(network: TwoLayerNetwork, seed: int) -> tuple[float, int, int]:
    """Both bounds beside the largest norm over all sign vectors: everywhere, and in a box."""
    differences, contradictions = [], 0
    for half in (None, 1.0):
        norm = NORMS[(seed + (half is None)) % 3]
        box = {} if half is None else {"lower": -half, "upper": half}
        answer = lipschitz_constant(network, norm, **box)
        expected = lipschitz_by_signs(network, norm, half)
        scale = max(1.0, expected)
        differences += [abs(answer.lower - expected) / scale, abs(answer.upper - expected) / scale]
        contradictions += bool(answer.upper < expected * (1 - 1e-13))
    return max(differences), 2, contradictions


def _verdicts(network: TwoLayerNetwork, seed: int, n_samples: int) -> tuple[float, int, int]:
    """Half-spaces around the largest sampled output: how many samples contradict a proof of safety."""
    d = network.n_features
    rng = np.random.default_rng(seed)
    outputs = network.forward(rng.uniform(-1, 1, (n_samples, d)))
    row = rng.standard_normal(network.n_outputs)
    along = outputs @ row
    contradictions, worst = 0, 0.0
    levels = along.max() + np.array([-1e-3, 0.0, 1e-9, 1e-3, 0.3])
    for level in levels:
        safety = is_safe(network, (-np.ones(d), np.ones(d)), (-row[None, :], [-level]))
        contradictions += int(bool(safety) and (along >= level).any())
        if safety.counterexample is not None:
            reached = row @ network.forward(safety.counterexample[None, :])[0]
            worst = max(worst, level - reached)
    return worst, len(levels), contradictions


if __name__ == "__main__":
    main()
