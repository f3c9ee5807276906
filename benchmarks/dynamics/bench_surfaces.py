"""Claims of papers on loss surfaces in numbers: walks, curvature, null spaces, cells, splines in motion, barcodes."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PPoly

from benchmarks.common import quick_asked, report
from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.baselines import descend
from convexrelu.landscape import (
    MACRO,
    MICRO,
    Curvature,
    LossLandscape,
    barcode,
    cell_summary,
    curvature,
    find_minima,
    ill_posedness,
    initialisation,
    path_heights,
    random_spline,
    spline_motion,
    spurious_minimum,
    walk,
)
from convexrelu.univariate import knots

Row = dict[str, object]
XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
IS_ODD = np.array([0.0, 1.0, 1.0, 0.0])
SMOOTH_AND_NOT = ("tanh", "sigmoid", "elu", "relu", "leaky_relu")
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-10)
WITHOUT_LOSS = 1e-12  # a loss that counts as zero; that of the best constant is 0.2
RATES = (0.03, 0.003, 0.0003)  # of Adam, one after the other, so that it comes to rest
HARD_TANH = PPoly(np.array([[0.0, 1.0, 0.0], [-1.0, -1.0, 1.0]]), [-2.0, -1.0, 1.0, 2.0])
# Slopes 1, −½ and 2, none of them on the right of zero.
ZIGZAG = PPoly(np.array([[1.0, -0.5, 2.0], [0.0, 1.0, 0.0]]), [-4.0, -3.0, -1.0, 0.0])
PIECEWISE: dict[str, str | PPoly] = {
    "relu": "relu",
    "leaky_relu": "leaky_relu",
    "absolute_value": "absolute_value",
    "hard tanh": HARD_TANH,
    "slopes 1, -0.5, 2": ZIGZAG,
}


def main() -> None:
    """Eight tables, each for the claims of one paper or two."""
    quick = quick_asked(main.__doc__ or "")
    tables = {
        "surface_walks": walks,
        "surface_curvature": curvatures,
        "surface_null_spaces": null_spaces,
        "surface_spurious": spurious,
        "surface_cells": cells,
        "surface_slopes": slopes,
        "surface_kernels": kernels,
        "surface_barcodes": barcodes,
    }
    for name, rows in tables.items():
        report(name, rows(quick), write=not quick)


def walks(quick: bool) -> list[Row]:
    """Bosman, Engelbrecht & Helbig 2018: mean losses of walks on XOR, with standard errors over the walks."""
    landscape = LossLandscape(
        XOR, IS_ODD, 2, activation="sigmoid", output="sigmoid", loss="mean_squared_error"
    )
    n_walks = 10 if quick else 450
    rows: list[Row] = []
    for step in (MICRO, MACRO):
        for kind in ("random", "progressive", "gradient"):
            found = walk(
                landscape, kind, n_walks=n_walks, step=step, bounds=(-10, 10), keep_every=1000,
                random_state=0,
            )  # fmt: skip
            means = found.losses.mean(axis=1)
            rows.append(
                {
                    "step, share of the range": step,
                    "walk": kind,
                    "walks": n_walks,
                    "mean loss": f"{means.mean():.3f}",
                    "standard error": f"{means.std(ddof=1) / n_walks**0.5:.4f}",
                }
            )
    return rows


def curvatures(quick: bool) -> list[Row]:
    """Bosman, Engelbrecht & Helbig 2020: classes of points of gradient walks on XOR, without weight decay."""
    rows: list[Row] = []
    for name in SMOOTH_AND_NOT:
        task = {"width": 3, "activation": name, "loss": "logistic"}
        decayed = LossLandscape(XOR, 2 * IS_ODD - 1, alpha=0.01, **task)
        points = walk(
            decayed, "gradient", n_walks=2 if quick else 20, bounds=(-5, 5), keep_every=10,
            random_state=0,
        ).points  # fmt: skip
        seen = curvature(LossLandscape(XOR, 2 * IS_ODD - 1, **task), points)
        by_tolerance = [Curvature(seen.eigenvalues, rtol, 1e-14) for rtol in TOLERANCES]
        row: Row = {"activation": name, "points": seen.classes.size}
        for one in by_tolerance:
            row[f"singular at {one.rtol:g}"] = f"{one.shares()['singular']:.1%}"
        row["convex at most"] = f"{max(one.shares()['convex'] for one in by_tolerance):.1%}"
        rows.append(row | {"largest rank": f"{by_tolerance[-1].ranks.max()} of {decayed.size}"})
    return rows


def null_spaces(quick: bool) -> list[Row]:
    """O'Leary-Roseberry & Ghattas 2020: at minima without loss, ranks of the Hessian and of the Jacobian."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(12, 2))
    y = np.sin(2 * X[:, 0]) * X[:, 1]
    rows: list[Row] = []
    for name in SMOOTH_AND_NOT[: 1 if quick else None]:
        landscape = LossLandscape(X, y, width=6, activation=name)
        minima = find_minima(
            landscape, 2 if quick else 8, max_iter=100 if quick else 600, random_state=0
        )
        points = minima.points[minima.losses < WITHOUT_LOSS]
        found = [ill_posedness(landscape, point) for point in points]
        flat = [one.nullity for one in found]
        rows.append(
            {
                "activation": name,
                "descents": len(minima),
                "without loss": len(found),
                "parameters": landscape.size,
                "flat directions": _range(flat) if found else "-",
                "equal ranks": sum(one.rank == one.jacobian_rank for one in found),
                "most directions unexplained": max(
                    (one.dimensions["rest"] for one in found), default="-"
                ),
            }
        )
    return rows


def spurious(quick: bool) -> list[Row]:
    """He, Wang & Tao 2020: constructed minima beside least squares, and beside a proved optimum where there is one."""
    random = np.random.RandomState(0)
    inputs = 2 + random.standard_normal((30, 3)) @ np.diag([1.0, 2.0, 3.0])
    line = np.linspace(-1, 1, 15)[:, None]
    data = {
        "30 samples, 3 features": (inputs, np.abs(inputs[:, 0]) + random.standard_normal(30)),
        "8|x|": (line, 8 * np.abs(line[:, 0])),
    }
    rows: list[Row] = []
    for task, (X, y) in data.items():
        for name, activation in PIECEWISE.items():
            found = spurious_minimum(X, y, width=4, activation=activation, random_state=0)
            share = "-"
            if task == "8|x|" and isinstance(activation, str):
                problem = TrainingProblem(X, y, alpha=1e-6, activation=activation)
                best = train(problem, tol=1e-4, random_state=0).certificate
                share = f"{best.objective / found.loss:.1e}" if best.is_proof else "not proved"
            rows.append(
                {
                    "data": task,
                    "activation": name,
                    "loss": found.loss,
                    "above least squares": f"{found.loss / found.least_squares_loss - 1:.1e}",
                    "local minimum": found.is_local_minimum,
                    "least eigenvalue, share": f"{found.eigenvalues[0] / found.eigenvalues[-1]:.1e}",
                    "proved optimum, share of the loss": share,
                }
            )
    return rows


def cells(quick: bool) -> list[Row]:
    """He, Wang & Tao 2020: two neurons trained by Adam with weight decay, beside their cells and the proved bound."""
    X = np.linspace(-1, 1, 16)[:, None]
    problem = TrainingProblem(X, np.sin(4 * X[:, 0]), alpha=0.02)
    rows: list[Row] = []
    for seed in range(1 if quick else 4):
        network: TwoLayerNetwork | None = None
        for rate in RATES:
            network = descend(
                problem, 2, "adam", rate=rate, steps=100 if quick else 2000, every=2000,
                start=network, random_state=seed,
            ).network  # fmt: skip
        summary = cell_summary(network, X, problem.y, alpha=problem.alpha, random_state=0)
        certificate = summary.certificate
        rows.append(
            {
                "run": seed,
                "objective": certificate.objective,
                "optimum of the cell": summary.optimum_objective,
                "above it": f"{summary.gap_to_cell / summary.optimum_objective:.1e}",
                "bound of the cell": certificate.cell_lower_bound,
                "bound of all": certificate.lower_bound,
                "proved": certificate.is_proof,
                "spurious": summary.is_spurious,
            }
        )
    return rows


def slopes(quick: bool) -> list[Row]:
    """Sahs et al. 2022: variance of the slope at the start, and places of knots, from formulas and from samples."""
    random = np.random.RandomState(0)
    pair, step = np.array([[0.3], [0.3 + 1e-7]]), 1e-7
    cauchy = 1 - 2 * np.arctan(10) / np.pi
    rows: list[Row] = []
    for name in ("he", "glorot", "torch"):
        initial = initialisation(name, 512)
        sampled = [
            np.diff(random_spline(initial, random_state=random).predict(pair))[0] / step
            for _ in range(50 if quick else 2000)
        ]
        wide = random_spline(initialisation(name, 20_000), random_state=random)
        places = knots(wide).positions / initial.knot_scale
        quartiles = np.quantile(places, [0.25, 0.75])
        rows.append(
            {
                "initialisation": name,
                "variance by the formula": initial.slope_variance,
                "of samples": float(np.var(sampled)),
                "off by": f"{abs(np.var(sampled) / initial.slope_variance - 1):.1%}",
                "quartiles of knots, in scales": f"{quartiles[0]:.2f}, {quartiles[1]:.2f}",
                "beyond ten scales": f"{np.mean(np.abs(places) > 10):.4f}",
                "of a Cauchy distribution": f"{cauchy:.4f}",
            }
        )
    return rows


def kernels(quick: bool) -> list[Row]:
    """Sahs et al. 2022: change of the tangent kernel, and of knots, for small and large first weights."""
    X = np.linspace(-1, 1, 16)[:, None]
    y = np.where(np.abs(X[:, 0]) < 0.5, 1 - 2 * np.abs(X[:, 0]), 0.0)
    rows: list[Row] = []
    for scale, t_end in ((0.1, 3000.0), (2.0, 30.0)):
        initial = initialisation("he", 40).scaled(scale)
        start = random_spline(initial, without_output=True, random_state=0)
        motion = spline_motion(
            start, X, y, t_end=t_end / 100 if quick else t_end, alpha=1e-3, n_times=10, rtol=1e-3
        )
        rows.append(
            {
                "scale of the first weights": scale,
                "data fit": f"{motion.data_fits[-1]:.2g}",
                "change of the kernel": f"{motion.kernel_change:.2f}",
                "median move of knots, share of the range": f"{motion.knot_movement:.3f}",
            }
        )
    return rows


def barcodes(quick: bool) -> list[Row]:
    """Barannikov et al. 2020: minima and bars by width, above a certified optimum."""
    rng = np.random.RandomState(0)
    X = np.linspace(-1, 1, 20)[:, None]
    problem = TrainingProblem(X, np.sin(4 * X[:, 0]) + 0.1 * rng.normal(size=20), alpha=1e-3)
    certificate = train(problem, tol=1e-4, random_state=0).certificate
    rows: list[Row] = []
    for width in (2, 4, 8)[: 1 if quick else None]:
        landscape = LossLandscape.from_problem(problem, width)
        minima = find_minima(landscape, 4 if quick else 16, random_state=0)
        minima = minima[minima.stationarity < 1e-4].distinct(landscape)
        heights = path_heights(landscape, minima.points, n_iter=20 if quick else 200)
        bars = barcode(heights)
        above = bars.births / certificate.objective - 1
        finite = bars.lengths[np.isfinite(bars.lengths)] / certificate.objective
        rows.append(
            {
                "width": width,
                "minima": len(above),
                "least above the optimum": f"{above.min():.1%}",
                "largest": f"{above.max():.0%}",
                "longest finite bar, share of the optimum": f"{max(finite, default=0.0):.0%}",
                "optimum": certificate.objective,
                "proved": certificate.is_proof,
            }
        )
    return rows


def _range(counts: list[int]) -> str:
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(min(counts))


if __name__ == "__main__":
    main()
