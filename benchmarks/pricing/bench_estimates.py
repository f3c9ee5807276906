"""How often estimated gaps are refuted: by a far deeper search at the same dual point, and by longer training.

Claims are taken before they are raised to a fraction of the tolerance, so one run shows what each such floor prevents.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from unittest import mock

import numpy as np

from benchmarks.common import quick_asked, report
from convexrelu import TrainingProblem, train
from convexrelu.oracles import SearchOracle
from convexrelu.problem.dual import lower_bound
from convexrelu.training.cutting_plane import CuttingPlane

# More than this fraction of the objective above the claim counts: less is rounding.
_ROUNDING = 1e-11
# Fractions of the tolerance that a claim may be raised to: what the rule of the package is chosen from.
_FLOORS = (0.0, 0.1, 0.2, 0.5)
_KINDS = {
    "independent": (60, 8, 0.0, 4),
    "correlated": (60, 8, 0.95, 4),
    "correlated, more": (347, 9, 0.95, 1),
}
# Oracles and tolerances. "auto" tries proofs, and its verdicts have witnesses of branch and bound.
_VERDICTS = (("search", 1e-3), ("auto", 1e-3), ("search", 1e-6))


def main() -> None:
    """Claims of searches, where no proof is tried, and of verdicts with witnesses of branch and bound."""
    quick = quick_asked(main.__doc__)
    rows: list[dict[str, object]] = []
    for kind, (n, d, correlation, n_seeds) in list(_KINDS.items())[: 1 if quick else None]:
        for oracle, tol in _VERDICTS[: 1 if quick else None]:
            seeds = range(1 if quick else n_seeds)
            found = list(_claims((n, d, correlation), oracle, tol, seeds, quick))
            row: dict[str, object] = {"data": f"{kind}, {n} x {d}", "oracle": oracle}
            rows.append(row | {"tol": f"{tol:g}", "trainings": len(seeds)} | _summary(found, tol))
    names = dict.fromkeys((name for row in rows for name in row), "")
    report("estimates", [names | row for row in rows], write=not quick)


def _summary(found: list[tuple[float, float, float, float]], tol: float) -> dict[str, object]:
    if not found:  # all are proofs
        return {"estimates": 0}
    claimed, by_search, by_training, seconds = np.array(found).T
    truth = np.maximum(by_search, by_training)
    summary: dict[str, object] = {"estimates": len(found)}
    for floor in _FLOORS:
        refuted = truth > np.maximum(claimed, floor * tol) + _ROUNDING
        summary[f"refuted, floor {floor:g} tol"] = int(refuted.sum())
    return summary | {
        "by training, floor 0": int((by_training > claimed + _ROUNDING).sum()),
        "largest excess / tol": f"{max(0.0, (truth - claimed).max()) / tol:.2g}",
        "median claim": f"{np.median(claimed):.1e}",
        "median seconds": f"{np.median(seconds):.1f}",
    }


def _claims(
    data: tuple[int, int, float], oracle: str, tol: float, seeds: range, quick: bool = False
) -> Iterator[tuple[float, float, float, float]]:
    """Gap before a floor; gap at the same dual point after a deep search; what longer training gains; seconds."""
    deep, limit = (256, 1.0) if quick else (4096, 5.0)
    for seed in seeds:
        problem = _problem(*data, seed)
        ends: list[CuttingPlane] = []
        with (
            mock.patch.object(CuttingPlane, "_conclude", _recorded(ends)),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            started = time.process_time()
            result = train(
                problem, tol=tol, oracle=oracle, random_state=seed, max_iter=60, time_limit=60
            )
            seconds = time.process_time() - started
            if result.certificate.is_proof:
                continue
            longer = train(
                problem,
                tol=1e-8,
                oracle="search",
                start=result.network,
                random_state=seed + 1000,
                max_iter=30,
                time_limit=limit,
            )
        point = ends[0]._dual.best
        assert point is not None
        search = SearchOracle(
            point.problem.design,
            n_starts=deep,
            n_polish=deep // 4,
            first_step=0.1,
            random_state=seed + 1,
        )
        largest = max(search(point.v).bound for _ in range(4))
        below = lower_bound(point.problem, point.v, max(largest, point.report.bound))
        objective = result.certificate.objective
        proved = result.certificate.proved_lower_bound
        claimed = max(point.bounds.lower_bound, proved)
        gained = (objective - longer.certificate.objective) / objective
        yield (objective - claimed) / objective, (objective - below) / objective, gained, seconds


def _recorded(ends: list[CuttingPlane]):  # type: ignore[no-untyped-def]
    """The end of a training, which also keeps its dual point."""
    conclude = CuttingPlane._conclude

    def recorded(self: CuttingPlane, status):  # type: ignore[no-untyped-def]
        ends.append(self)
        return conclude(self, status)

    return recorded


def _problem(n: int, d: int, correlation: float, seed: int) -> TrainingProblem:
    """A teacher with noise, on features with one common factor."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X = np.sqrt(1 - correlation) * X + np.sqrt(correlation) * rng.standard_normal((n, 1))
    y = np.maximum(X @ rng.standard_normal((d, 5)), 0) @ rng.standard_normal(5)
    y = y / y.std() + 0.3 * rng.standard_normal(n)
    return TrainingProblem(X, y, 3e-3)


if __name__ == "__main__":
    main()
