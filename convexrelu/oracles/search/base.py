"""What the searches have in common: rows of size one, starts, draws of samples, and ascents on several cores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import lipschitz_constant, norms, sizes
from convexrelu._utils.threads import in_threads
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.search.starts import most_polished

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

    from convexrelu.oracles.search.local_maxima import Sharpened

__all__ = ["Search"]

# Samples for the ascents from all starts. On dual points of 10,000 samples that are nearly feasible, ascents on 8192
# of them found violations of 0.1 to 0.5 %, on all of them 0.3 to 1 %, in one and a half times the time.
LARGEST_SAMPLE = 2**14
# Kinks of more samples are so close together that a climb from cell to cell gains less than 0.1 % of the value (0.01 %
# at 10,000 samples), and takes ten times as long as the ascents.
MOST_CLIMBED = 5_000
# Operations of a Newton step of one candidate, samples times d̃², above which ascents have to do: at 8000 images of 784
# pixels, 5·10⁹, eight candidates took ten seconds.
MOST_NEWTON = 1e9
# More samples than this ascend in single precision, which saves a third of the time; fewer take little anyway.
MOST_IN_DOUBLE = 2_000
# The first ascent steps, this part of them, use one sample in four if that leaves so many, for each dimension and in
# all: where they lead, the last ones correct. On dual points of 30,000 to 100,000 samples that are nearly feasible (8
# to 20 features, normal and with heavy tails), the largest values found differ less than those of two seeds, in half of
# the time. With 50 samples for each of sixty dimensions they were 1 to 3 % lower.
_ROUGH, _PART, _LEFT, _LEFT_IN_ALL = 2 / 3, 4, 128, 2**11
# Candidates that ascend, and that are polished, together: enough for efficient products, few enough for several cores.
# Of few samples, as many candidates as have so many entries, an array that stays in the cache.
_TOGETHER, _ENTRIES = 64, 2**18
# Accelerators take as many as there is memory for.
_ENTRIES_OF_DEVICES, _POLISHED_ON_DEVICE = 2**28, 64
# Copies of the rows and first steps that do not look at the time, in multiplications for an entry. On 300,000 × 101
# they took 0.8 s on an idle machine and 2.6 s on a busy one.
_PASSES = 600
_POLISHED_TOGETHER, _POLISHED_ENTRIES = 16, 2**16


class Search:
    """Ascents on ``‖Vᵀ φ(X̃u)‖`` over the unit ball, from random starts and from the maxima of the last call.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    n_starts : int
        Random starts per call, drawn anew each time.
    n_steps : int
        Ascent steps.
    first_step, last_step : float
        Step sizes at the beginning and at the end.
    n_polish : int
        Number of candidates to polish.
    n_first : int, optional
        Starts of the first call, with as many fewer candidates to polish; each call has four times as many as the last,
        up to `n_starts`. The first cuts of a training need no long search.
    random_state : int, RandomState or None
        Seed of the starts.
    device : str
        A torch device.
    polishes : bool
        Whether to improve candidates by Newton steps and from cell to cell, up to a local maximum; descent that follows
        does not need it.
    """

    def __init__(
        self,
        design: Array,
        *,
        n_starts: int,
        n_steps: int = 60,
        first_step: float = 0.3,
        last_step: float = 0.02,
        n_polish: int = 64,
        n_first: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
        polishes: bool = True,
    ) -> None:
        self.design = design
        self.n_starts = n_starts
        self.n_polish = n_polish
        self._next = min(n_first or n_starts, n_starts)
        self.step_sizes = np.geomspace(first_step, last_step, n_steps).tolist()
        self.device = device
        self.polishes = polishes
        self.most_climbed = MOST_CLIMBED if polishes else 0
        self._random = check_random_state(random_state)

    @cached_property
    def _lengths(self) -> Array:
        return np.asarray(norms(self.design))

    @cached_property
    def _rows(self) -> Array:
        """The rows in units in which no square overflows or underflows, even in single precision; made when needed."""
        return self.design / self._longest

    @property
    def _longest(self) -> float:
        return float(self._lengths.max(initial=0.0)) or 1.0

    def _begin(self) -> None:
        """Set the numbers of starts and of candidates to polish in this call, and count its work from zero."""
        self._work = 0  # ascents, from all starts, and candidates that are polished
        self._lacks_steps = False
        self._n_starts, self._next = self._next, min(4 * self._next, self.n_starts)
        wanted = math.ceil(self.n_polish * self._n_starts / self.n_starts)
        self._n_polished = min(wanted, most_polished(self.design))

    def _is_late(self, deadline: float) -> bool:
        """Whether there is no time to begin."""
        fits = product_fits(_PASSES * float(self.design.size), deadline)
        return time.perf_counter() > deadline or not fits

    def _nothing(self, v: Array) -> OracleReport:
        """The report of a search for which there is no time."""
        return OracleReport.without_witnesses(
            0.0, v, self.design.shape[1], method="search", is_proof=False, finished=False
        )

    def _directions_of(self, sharpened: Sharpened) -> Tensor:
        """Where Newton steps of this call lead; those that do not fit before a deadline are left out."""
        if not sharpened.finished:  # in some thread
            self._lacks_steps = True
        return sharpened.directions

    def _is_finished(self, deadline: float) -> bool:
        """Whether this call had the time that it needs, which is at its end: otherwise no estimate follows from it."""
        return not self._lacks_steps and time.perf_counter() <= deadline

    @property
    def _is_sharpened(self) -> bool:
        """Whether candidates are improved by Newton steps."""
        n, dim = self.design.shape
        return self.polishes and n * dim**2 <= MOST_NEWTON

    @property
    def _is_sampled(self) -> bool:
        """Whether ascents from all starts use some of the samples only."""
        return len(self.design) > LARGEST_SAMPLE

    @property
    def _most_in_double(self) -> int:
        return MOST_IN_DOUBLE

    def _largest_value(self, v: Array) -> float:
        """A bound on the values of the function on the scaled rows."""
        return lipschitz_constant(self._rows, v) or 1.0

    def _sample(self, v: Array) -> tuple[Array, Array]:
        """The samples for the ascents, reweighted so that the mean of the function over draws is the function.

        Draws have probabilities proportional to ``‖v_i‖ ‖x̃_i‖``, with which the variance is smallest.
        """
        weights = sizes(v) * self._lengths
        total = weights.sum()
        if not self._is_sampled or total == 0:
            return self._rows, v
        drawn = self._random.choice(len(v), LARGEST_SAMPLE, p=weights / total)
        index, count = np.unique(drawn, return_counts=True)
        share = count * total / (LARGEST_SAMPLE * weights[index])
        return self._rows[index], v[index] * (share if v.ndim == 1 else share[:, None])

    @property
    def _polished_together(self) -> int:
        if self.device != "cpu":
            return _POLISHED_ON_DEVICE
        return max(_POLISHED_TOGETHER, _POLISHED_ENTRIES // max(1, len(self.design)))

    def _ascending_together(self, n_samples: int) -> int:
        entries = _ENTRIES if self.device == "cpu" else _ENTRIES_OF_DEVICES
        return max(_TOGETHER, entries // max(1, n_samples))

    def _in_parts(
        self,
        ascend: Callable[..., tuple[Tensor, Tensor]],
        samples: tuple[Array, Array],
        *candidates: Array,
        deadline: float,
    ) -> tuple[Array, Array]:
        """Ends and values of ascents on these samples, some candidates at a time.

        The arguments of `ascend` are the samples, and of the candidates signs, if there are any, and starts. When time
        is up, candidates stay where they start, without value; but not all of them.
        """
        steps = self.step_sizes
        self._work += len(candidates[-1])
        n, dim = samples[0].shape
        if n // _PART >= max(_LEFT * dim, _LEFT_IN_ALL):
            n_rough, few = round(_ROUGH * len(steps)), self._few_of(samples)
            starts, _ = self._ascended(
                ascend, few, *candidates, steps=steps[:n_rough], deadline=deadline
            )
            candidates, steps = (*candidates[:-1], starts), steps[n_rough:]
        return self._ascended(ascend, samples, *candidates, steps=steps, deadline=deadline)

    def _few_of(self, samples: tuple[Array, Array]) -> tuple[Array, Array]:
        """A random part of these samples; ascents do not depend on the scale of the function."""
        n = len(samples[0])
        index = np.sort(self._random.permutation(n)[: n // _PART])
        return samples[0][index], samples[1][index]

    def _ascended(
        self,
        ascend: Callable[..., tuple[Tensor, Tensor]],
        samples: tuple[Array, Array],
        *candidates: Array,
        steps: Sequence[float],
        deadline: float,
    ) -> tuple[Array, Array]:
        """Those after steps of these sizes."""
        single = len(samples[0]) > self._most_in_double
        fixed, own = (
            [self._tensor(array, single=single) for array in arrays]
            for arrays in (samples, candidates)
        )

        def ascended(part: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            if time.perf_counter() > deadline and part is not parts[0]:
                return part[-1], part[-1].new_full((len(part[-1]),), -np.inf)
            return ascend(*fixed, *part, step_sizes=steps, deadline=deadline)

        together = self._ascending_together(len(samples[0]))
        parts = list(zip(*(each.split(together) for each in own), strict=True))
        ended = in_threads(ascended, parts)
        ends, values = (
            np.concatenate([part[k].double().cpu().numpy() for part in ended]) for k in (0, 1)
        )
        return ends, values

    def _tensor(self, array: Array, *, single: bool = False) -> Tensor:
        from convexrelu._utils.torch_import import torch

        copy = np.array(array, dtype=np.float32 if single else np.float64)
        return torch.as_tensor(copy, device=self.device)
