"""What a report says: facts, charts and tables, made of a result or of a fitted estimator."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.score_names import score_of
from convexrelu.certificates.certificate import Certificate
from convexrelu.displays.convergence import visible_range
from convexrelu.report.charts import Axis, Chart, Line, chart
from convexrelu.report.influence import Dependence, Importances
from convexrelu.results.html import fit_in_words

__all__ = [
    "Bar",
    "Row",
    "convergence_charts",
    "dependence_charts",
    "fit_facts",
    "importance_bars",
    "meaning",
    "neuron_rows",
    "path_charts",
]

# Neurons in the table, and weights of each, the largest ones.
_MOST_NEURONS, _MOST_WEIGHTS = 200, 4
_MOST_BARS = 30
# Part of the largest input below which a neuron counts as not active.
_ROUNDING = 1e-9


class Bar(NamedTuple):
    """A bar with its length in percent, and what is said of it."""

    name: str
    length: float
    text: str


class Row(NamedTuple):
    """A neuron in the table."""

    number: int
    share: float
    active: float | None
    outer: str
    first_outer: float
    bias: float
    inner: str


def meaning(certificate: Certificate) -> str:
    """What the certificate says and does not say, in a sentence or two."""
    others = (
        "No network, of any width and with any weights,"
        if certificate.scope == "global"
        else "No network among those that the certificate compares with"
    )
    bound = f"{certificate.lower_bound:.6g}"
    if certificate.is_proof:
        said = f"{others} has an objective below {bound}: that is proved."
    else:
        proved = certificate.proved_lower_bound
        rest = (
            f"What is proved is that no such network has an objective below {proved:.6g}."
            if proved > 0
            else "Nothing is proved."
        )
        said = f"The lower bound {bound} is an estimate, from a search for better networks; it is no proof. {rest}"
    return (
        f"{said} The objective of this network is {certificate.objective:.6g}: the mean loss on the training data with "
        "the weight decay, which says nothing about other data."
    )


def fit_facts(fit: Any, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and values of what is known of a fit."""
    network = fit.network
    seconds = [entry.seconds for entry in fit.history]
    facts = {
        "training": fit_in_words(network.width, seconds, fit.status),
        "features": str(network.n_features),
    }
    facts |= {
        name: f"{v:.4g}" if isinstance(v, float) else str(v) for name, v in parameters.items()
    }
    return list(facts.items())


def convergence_charts(history: list[Any]) -> list[Chart]:
    """Objective and bound, and the gap, over time."""
    if not history:
        return []
    columns = [(one.seconds, one.objective, one.lower_bound, one.relative_gap) for one in history]
    seconds, objective, bound, gap = np.array(columns, dtype=np.float64).T
    kind = "proved" if history[-1].is_proof else "estimated"
    time = Axis("time (s)")
    found = [
        chart(
            "Objective and lower bound",
            [
                Line("objective", seconds, objective),
                Line(f"lower bound ({kind})", seconds, bound, dashed=True),
            ],
            time,
            Axis("regularised objective", limits=visible_range(objective, bound)),
        ),
        chart(
            "Gap between them",
            [Line(f"relative gap ({kind})", seconds, gap)],
            time,
            Axis("relative gap", log=True),
        ),
    ]
    return [one for one in found if one is not None]


def path_charts(estimator: Any) -> list[Chart]:
    """Scores and widths along the penalties of a cross-validation, if there was one."""
    if not hasattr(estimator, "cv_scores_"):
        return []
    tried = (estimator.cv_widths_ >= 0).all(axis=1)
    alphas = estimator.alphas_[tried]
    score, alpha = score_of(estimator), Axis("alpha", log=True)
    values = score.sign * estimator.cv_scores_[tried].mean(axis=1)
    widths = estimator.cv_widths_[tried].mean(axis=1)
    mark = float(estimator.alpha_)
    found = [
        chart(
            f"{score.name}, on average over folds",
            [Line(score.name, alphas, values)],
            alpha,
            Axis(score.name),
            mark=mark,
        ),
        chart(
            "Neurons",
            [Line("neurons", alphas, widths)],
            alpha,
            Axis("mean number of neurons"),
            mark=mark,
        ),
    ]
    return [one for one in found if one is not None]


def importance_bars(found: Importances, names: list[str]) -> list[Bar]:
    """Bars of importances, the largest first."""
    order = np.argsort(-found.means, kind="stable")[:_MOST_BARS]
    largest = float(found.means.max(initial=0.0)) or 1.0
    return [
        Bar(
            names[k],
            100 * max(float(found.means[k]), 0.0) / largest,
            f"{found.means[k]:.3g}"
            + (f" ± {found.deviations[k]:.2g}" if found.deviations.any() else ""),
        )
        for k in order
    ]


def dependence_charts(
    found: dict[int, Dependence], names: list[str], outputs: list[str]
) -> list[Chart]:
    """Mean predictions against features."""
    made = []
    for k, one in found.items():
        labels = (
            outputs if len(outputs) == len(one.means) else [f"{i}" for i in range(len(one.means))]
        )
        lines = [
            Line(label, one.values, mean) for label, mean in zip(labels, one.means, strict=True)
        ]
        axis = Axis(names[k], categories=[_short(name) for name in one.categories])
        y_name = f"mean {_short(labels[0], 30)}" if len(lines) == 1 else "mean prediction"
        made.append(chart(names[k], lines, axis, Axis(y_name)))
    return [one for one in made if one is not None]


def neuron_rows(network: Any, names: list[str], inputs: Any) -> list[Row]:
    """Rows of the table of neurons, the largest first; with inputs, how many of them make each active."""
    neurons = network.neurons()
    total = sum(neuron.size for neuron in neurons) or 1.0
    zero = 0.0 if inputs is None else _ROUNDING * (1.0 + float(abs(inputs).max()))
    rows = []
    for number, one in enumerate(neurons[:_MOST_NEURONS], start=1):
        active = None
        if inputs is not None:
            # Kinks are often at samples: rounding is not to decide on which side.
            active = 100 * float(np.mean(inputs @ one.weights + one.bias > zero))
        order = np.argsort(-np.abs(one.weights), kind="stable")[:_MOST_WEIGHTS]
        inner = ", ".join(f"{names[k]} {one.weights[k]:+.2g}" for k in order if one.weights[k])
        more = ", …" if np.count_nonzero(one.weights) > _MOST_WEIGHTS else ""
        outer = ", ".join(f"{weight:.3g}" for weight in one.outer[:_MOST_WEIGHTS])
        rows.append(
            Row(
                number,
                100 * one.size / total,
                active,
                outer + (", …" if len(one.outer) > _MOST_WEIGHTS else ""),
                float(one.outer[0]) if len(one.outer) else 0.0,
                one.bias,
                (inner or "none") + more,
            )
        )
    return rows


def _short(name: str, most: int = 10) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
