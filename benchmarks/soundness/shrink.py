"""Smaller cases with the same finding, and a script that shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soundness.cases import Case
from benchmarks.soundness.judge import Finding, judged
from benchmarks.soundness.trainings import resolved
from convexrelu import TwoLayerNetwork

KEPT = ("random_state", "network", "alphas", "n_patterns")  # keywords without a simpler form


def shrunk(finding: Finding, seconds: float) -> Finding:
    """The same finding about fewer samples, features and options, as far as the processor time allows."""
    end, smallest = time.process_time() + seconds, finding
    progress = finding.case is not None and finding.kind != "overrun"
    while progress:
        progress = False
        for case in simpler(smallest.case):
            if time.process_time() > end:
                return smallest
            same = [f for f in judged(case)[0] if f.kind == finding.kind]
            if same:
                smallest, progress = same[0], True
                break
    return smallest


def simpler(case: Case) -> Iterator[Case]:
    """Cases with less of something, what helps most first."""
    n, d = case.X.shape
    for start, stop in ((0, n // 2), (n // 2, n)):
        if 0 < stop - start < n:
            yield _rows(case, np.arange(start, stop))
    for name in case.follow:
        yield replace(case, follow=tuple(other for other in case.follow if other != name))
    for name in case.keywords:
        if name not in KEPT:
            fewer = {key: value for key, value in case.keywords.items() if key != name}
            yield replace(case, keywords=fewer)
    for name in case.options:
        fewer = {key: value for key, value in case.options.items() if key != name}
        parameter = None if name == "loss" else case.loss_parameter
        yield replace(case, options=fewer, loss_parameter=parameter)
    if case.is_sparse:
        yield replace(case, is_sparse=False)
    for i in range(n if n > 1 else 0):
        yield _rows(case, np.delete(np.arange(n), i))
    for j in range(d if d > 1 else 0):
        yield replace(case, X=np.delete(case.X, j, axis=1))
    for digits in (0, 1, 2):
        rounded = np.array([[float(f"{entry:.{digits}e}") for entry in row] for row in case.X])
        if not np.array_equal(rounded, case.X):
            yield replace(case, X=rounded)
    simple = float(f"{case.alpha:.0e}")
    if simple != case.alpha:
        yield replace(case, alpha=simple)


def _rows(case: Case, kept: Any) -> Case:
    options = dict(case.options)
    if "sample_weight" in options:
        options["sample_weight"] = options["sample_weight"][kept]
    return replace(case, X=case.X[kept], y=case.y[kept], options=options)


def write_script(finding: Finding, folder: Path) -> Path:
    """A script that needs nothing but the package, and prints what is claimed and what is true."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{finding.kind.replace(' ', '_')}_{finding.seed}.py"
    if finding.case is None:
        path = path.with_stem(f"{path.stem}_{len(list(folder.glob(path.stem + '*')))}")
    path.write_text(script(finding))
    return path


def script(finding: Finding) -> str:
    """Its text."""
    quoted = finding.text.replace("\\", "\\\\").replace('"""', "'''")
    lines = [f'"""{finding.kind}, seed {finding.seed}.', "", quoted, '"""', ""]
    if finding.case is None:
        return "\n".join(lines) + finding.code
    case = finding.case
    problem, keywords = resolved(case)
    if case.is_sparse:
        problem["X"] = case.X
    lines += [
        "import numpy as np",
        "from scipy.sparse import csr_array",
        "from convexrelu import ChunkedProblem, TrainingProblem, TwoLayerNetwork, certify",
        "from convexrelu import regularization_path, train, train_in_chunks",
        "from convexrelu.losses import Huber, Quantile",
        "from convexrelu.optimal_set import minimal",
        "",
        f"options = {written(problem)}",
    ]
    if case.is_sparse:
        lines.append("options['X'] = csr_array(options['X'])")
    lines.append("problem = TrainingProblem(**options)")
    lines += _calls(case, keywords)
    if finding.better is not None and finding.better["kind"] == "two_layer":
        lines += [f"better = {_network(finding.better)}", "print(problem.objective(better))"]
    return "\n".join(lines) + "\n"


def _calls(case: Case, keywords: dict[str, Any]) -> list[str]:
    if case.call == "certify":
        network = keywords.pop("network")
        return [
            f"network = {written(network)}",
            f"certificate = certify(network, **options, **{written(keywords)})",
            "print(certificate, problem.objective(network))",
        ]
    if case.call == "train":
        call = f"results = [train(problem, **{written(keywords)})]"
    elif case.call == "train_in_chunks":
        call = f"results = [train_in_chunks(ChunkedProblem(**options), **{written(keywords)})]"
    else:
        alphas = keywords.pop("alphas")
        call = f"results = regularization_path(problem, {written(alphas)}, **{written(keywords)})"
    lines = [call, "for result in results:", "    print(result.certificate, result.status)"]
    follow = {
        "certify": "print(certify(network, **options, oracle='quick', random_state=0))",
        "minimal": "print(problem.objective(minimal(network, problem)))",
        "merge": "print(problem.objective(network.merge(free_bias=problem.free_bias, X=problem.X)))",
        "prune": "print(problem.objective(network.prune()))",
    }
    has_gates = case.options.get("activation") in ("gated_relu", "threshold")
    followed = [] if has_gates else [follow[name] for name in case.follow]
    return [*lines, "network = results[-1].network", *followed]


def written(value: Any) -> str:
    """Python that makes the value again."""
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()!r}).reshape({value.shape})"
    if isinstance(value, TwoLayerNetwork):
        names = ("hidden_weights", "hidden_bias", "output_weights", "output_bias", "skip_weights")
        arrays = {name: getattr(value, name) for name in names}
        return _network(arrays | {"slope": value.negative_slope})
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {written(one)}" for key, one in value.items()) + "}"
    return repr(value)


def _network(arrays: dict[str, Any]) -> str:
    names = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")
    parts = [written(np.asarray(arrays[name], dtype=float)) for name in names]
    skip = arrays["skip_weights"]
    if skip is not None:
        parts.append(f"skip_weights={written(np.asarray(skip, dtype=float))}")
    return f"TwoLayerNetwork({', '.join(parts)}, negative_slope={arrays['slope']!r})"
