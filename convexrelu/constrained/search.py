"""Search for neurons of a class: ascents in its cones, polished on a function that penalises leaving them."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from convexrelu._utils.norms import unit_rows
from convexrelu._utils.typing import Array
from convexrelu.constrained.penalised import Penalised
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.oracles.search.starts import starts_in_cone

__all__ = ["ClassSearch"]


class ClassSearch:
    """Estimates of ``M(v)`` over a class, see :mod:`convexrelu.constrained.neuron_class`.

    Ascents start on random faces of the cone ``K_s`` and stay in it: conditional gradient steps lead towards
    projections of gradients. Local maxima are those of the penalised function of :class:`Penalised`; what rounding
    leaves outside of the cone is cut off.

    Parameters
    ----------
    penalised : Penalised
    n_starts, n_steps, n_polish, n_first
        As for :class:`~convexrelu.oracles.SearchOracle`, for each sign.
    random : RandomState
        Seed of the starts.
    device : str
        A torch device.
    """

    def __init__(
        self,
        penalised: Penalised,
        *,
        n_starts: int,
        n_steps: int = 60,
        n_polish: int,
        random: np.random.RandomState,
        n_first: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.penalised = penalised
        self._searches = [
            _OneSign(
                penalised.rows(sign),
                sign * penalised.limits,
                n_starts=n_starts,
                n_steps=n_steps,
                n_polish=n_polish,
                n_first=n_first,
                random_state=random,
                device=device,
            )
            for sign in penalised.signs
        ]

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        penalised = self.penalised
        reports = [
            search(penalised.weights(sign, v), deadline=deadline)
            for sign, search in zip(penalised.signs, self._searches, strict=True)
        ]
        signs = np.repeat(penalised.signs, [len(report.directions) for report in reports])
        directions = np.vstack([report.directions for report in reports])
        report = penalised.report(v, directions, signs)
        return OracleReport(
            bound=float(report.values.max(initial=0.0)),
            is_proof=False,
            scope=report.scope,
            method="search",
            masks=report.masks,
            signs=report.signs,
            directions=report.directions,
            values=report.values,
            n_starts=min(one.n_starts for one in reports),
            finished=all(one.finished for one in reports),
            work=sum(one.work for one in reports),
        )


class _OneSign(SearchOracle):
    """Search for maxima of a function without an absolute value, in a cone in which it is not penalised."""

    def __init__(self, design: Array, limits: Array, **options: object) -> None:
        super().__init__(design, **options)  # type: ignore[arg-type]
        self._limits = limits

    @property
    def _repeats(self) -> bool:
        return False  # ascents stay in the cone

    def _candidates(
        self, v: Array, known: tuple[Array, Array], deadline: float
    ) -> tuple[Array, Array]:
        starts = starts_in_cone(self._rows, self._limits, self._n_starts, self._random)
        starts = unit_rows(np.concatenate([starts, known[0]]))
        ends, values = self._ascend_in_cone(self._sample(v), starts, deadline)
        ends = self._choose(ends, values, starts)
        if self._is_sampled:
            ends, _ = self._ascend_in_cone((self._rows, v), ends, deadline)
        return ends, np.ones(len(ends))

    def _ascend_in_cone(
        self, samples: tuple[Array, Array], starts: Array, deadline: float
    ) -> tuple[Array, Array]:
        from convexrelu.oracles.search.ascents import ascend

        limits = self._tensor(self._limits, single=False)
        in_cone = partial(ascend, limits=limits)
        return self._in_parts(in_cone, samples, np.ones(len(starts)), starts, deadline=deadline)
