"""Lipschitz constants of small networks, against Jacobians at points on both sides of their kinks.

Many neurons are constant, equal, opposite or parallel, and weights are of all sizes: signs of such neurons are those
that go wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.soundness.cases import Rng
from benchmarks.soundness.judge import Finding
from benchmarks.soundness.shrink import written
from convexrelu import TwoLayerNetwork
from convexrelu.reach import lipschitz_constant

_POINTS, _CORNERS = 2000, 200
_ROUNDING = 1e-10  # relative to sums of the sizes of all terms
_CLEAR = 1e-9  # of points beside kinks, relative to the terms of a neuron


def findings_of(seed: int) -> list[Finding]:
    """Findings of a seed, for all three norms."""
    rng = np.random.default_rng([seed, 10])
    weights, box = _weights(rng), {}
    d = weights["hidden_weights"].shape[1]
    if rng.random() < 0.5:
        low = -2 * rng.random(d)
        box = {"lower": low, "upper": low + 3 * rng.random(d) + 1e-3}
    jacobians = _jacobians(weights, box, rng)
    found = []
    for norm in (1, 2, np.inf):
        code = (
            "import numpy as np\nfrom convexrelu import TwoLayerNetwork\n"
            "from convexrelu.reach import lipschitz_constant\n"
            f"network = TwoLayerNetwork(**{written(weights)})\n"
            f"print(lipschitz_constant(network, {'np.inf' if norm == np.inf else norm}, **{written(box)}))\n"
        )
        texts = _wrong(weights, box, norm, jacobians)
        found += [Finding(kind, seed, text, code=code) for kind, text in texts]
    return found


def _wrong(weights: Any, box: Any, norm: float, jacobians: Any) -> Iterator[tuple[str, str]]:
    try:
        claimed = lipschitz_constant(TwoLayerNetwork(**weights), norm, time_limit=2.0, **box)
    except Exception as error:
        yield "error", f"norm {norm}: {error!r}"
        return
    sizes = np.abs(weights["output_weights"]) @ np.abs(weights["hidden_weights"])
    skip = weights["skip_weights"]
    room = _ROUNDING * float((sizes if skip is None else sizes + np.abs(skip)).sum())
    largest = max((float(np.linalg.norm(one, ord=norm)) for one in jacobians), default=0.0)
    if not claimed.upper >= largest - room:
        yield "refuted proof", f"norm {norm}: bound {claimed.upper!r}, but a slope is {largest!r}"
    there = float(np.linalg.norm(claimed.jacobian, ord=norm))
    if not abs(there - claimed.lower) <= room or not claimed.lower <= claimed.upper:
        yield "inconsistent", f"norm {norm}: {claimed}, whose Jacobian has the norm {there!r}"


def _weights(rng: Rng) -> dict[str, Any]:
    d, m, K = int(rng.integers(1, 5)), int(rng.integers(0, 21)), int(rng.integers(1, 4))
    whole = rng.random() < 0.5
    W = rng.integers(-1, 2, (m, d)).astype(float) if whole else rng.standard_normal((m, d))
    b = rng.integers(-1, 2, m).astype(float) if whole else rng.standard_normal(m)
    for j in range(m):
        kind, i = rng.integers(12), rng.integers(j + 1)
        if kind == 0:
            W[j], b[j] = 0.0, b[j] * rng.integers(2)
        elif kind == 1:  # equal or opposite up to a factor
            factor = rng.choice([1.0, -1.0, 3.0, -0.3])
            W[j], b[j] = factor * W[i], factor * b[i]
        elif kind == 2:
            W[j] = -2 * W[i]
    if rng.random() < 0.2:
        sizes = 10.0 ** rng.integers(-8, 9, m)
        W, b = W * sizes[:, None], b * sizes
    outer = rng.standard_normal((K, m)) * rng.choice([1.0, 1e-170, 1e150], p=[0.8, 0.1, 0.1])
    return {
        "hidden_weights": W,
        "hidden_bias": b,
        "output_weights": outer,
        "output_bias": np.zeros(K),
        "skip_weights": rng.standard_normal((K, d)) if rng.random() < 0.3 else None,
        "negative_slope": float(rng.choice([0.0, 0.1, -1.0, -0.5], p=[0.7, 0.1, 0.1, 0.1])),
    }


def _jacobians(weights: Any, box: Any, rng: Rng) -> Any:
    """One for each combination of signs that was seen."""
    W, b = weights["hidden_weights"], weights["hidden_bias"]
    X = _points(W, b, box, rng)
    if box:
        X = X[((box["lower"] < X) & (box["upper"] > X)).all(axis=1)]
    z, sizes, moves = X @ W.T + b, np.abs(X) @ np.abs(W).T + np.abs(b), W.any(axis=1)
    clear = (np.abs(z) > _CLEAR * sizes) | ~moves
    active = np.unique(z[clear.all(axis=1)] > 0, axis=0)
    slopes = np.where(active, 1.0, weights["negative_slope"])
    jacobians = np.einsum("nj,kj,ji->nki", slopes, weights["output_weights"], W)
    return jacobians if weights["skip_weights"] is None else jacobians + weights["skip_weights"]


def _points(W: Any, b: Any, box: Any, rng: Rng) -> Any:
    """Near and far, in the box, and around points where kinks meet."""
    m, d = W.shape
    points = [rng.standard_normal((_POINTS, d)) * 10.0 ** rng.uniform(-2, 3, (_POINTS, 1))]
    if box:
        points.append(rng.uniform(box["lower"], box["upper"], (_POINTS, d)))
    for _ in range(_CORNERS if m >= d else 0):
        chosen = rng.permutation(m)[:d]
        corner = np.linalg.lstsq(W[chosen], -b[chosen], rcond=None)[0]
        points += [corner + size * rng.standard_normal((10, d)) for size in (1e-1, 1e-3)]
    return np.vstack(points)
