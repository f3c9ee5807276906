"""Oracles and certificates of a class: see :mod:`convexrelu.constrained.neuron_class`."""

from __future__ import annotations

import math

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import Pricing
from convexrelu.constrained.penalised import Penalised
from convexrelu.constrained.prover import ClassProver
from convexrelu.constrained.search import ClassSearch
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.bounds.compiled import is_compiled
from convexrelu.oracles.reductions.hybrid import HybridOracle
from convexrelu.oracles.selection import MOST_PROVED, OraclePair
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["PricingOfClass", "oracles_of_class"]

# As for all networks, see convexrelu.oracles.selection: work of a proof, and starts and candidates of searches.
_WORK = 1.5e10 if is_compiled() else 1.5e9
_BRIEF, _THOROUGH = (512, 64), (1024, 256)
_FIRST = 256
# In few dimensions there are more starts of fewer steps: more of these end at narrow maxima, which longer ascents leave
# again. On twelve dual points of teachers in six dimensions, where only a proof had found a violation, long searches
# found one in 42 % with 2048 starts of 15 steps and 256 candidates, and in all with about these numbers, in 1.5 times
# the time. In more dimensions, polishing would take the time.
_FEW_DIMENSIONS, _FEW_STEPS, _STEPS = 8, 8, 60
_BRIEF_IN_FEW, _THOROUGH_IN_FEW = (1024, 64), (3072, 512)


class PricingOfClass(Pricing):
    """Prices and certifies dual points over a class.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    penalised : Penalised
    """

    def __init__(self, problem: TrainingProblem, penalised: Penalised) -> None:
        super().__init__(problem)
        self._penalised = penalised

    def relaxation(self, v: Array, *, deadline: float = math.inf) -> OracleReport:
        """The closed-form bound on ``M(v)`` over the class."""
        return self._penalised.relaxation(v, deadline)

    def largest(
        self, v: Array, network: TwoLayerNetwork, found: OracleReport | None = None
    ) -> float:
        """A value that ``M(v)`` reaches over the class: at neurons of the network, and at witnesses of the report."""
        network = network.prune()
        directions, signs = self.problem.directions(network), np.sign(network.output_weights[0])
        if found is not None:
            directions = np.vstack([directions, found.directions])
            signs = np.concatenate([signs, found.signs])
        return self._penalised.largest(v, directions, signs)


def oracles_of_class(
    penalised: Penalised, effort: str, random: np.random.RandomState, device: str = "cpu"
) -> OraclePair:
    """A search for cuts, and for the certificate a proof where there is time for one, or a longer search.

    Parameters
    ----------
    penalised : Penalised
    effort : {"predict", "certify", "prove"}
        As for :func:`~convexrelu.train`.
    random : RandomState
        Seed of the searches.
    device : str
        A torch device.
    """
    is_small = penalised.design.shape[1] <= _FEW_DIMENSIONS

    def search(n_starts: int, n_polish: int, n_first: int | None = None) -> ClassSearch:
        return ClassSearch(
            penalised,
            n_starts=n_starts,
            n_steps=_FEW_STEPS if is_small else _STEPS,
            n_polish=n_polish,
            n_first=n_first,
            random=random,
            device=device,
        )

    brief = search(*(_BRIEF_IN_FEW if is_small else _BRIEF), n_first=_FIRST)
    if effort == "predict":
        return OraclePair(brief, brief, exact_cuts=True)
    thorough = search(*(_THOROUGH_IN_FEW if is_small else _THOROUGH))
    if effort == "prove":
        return OraclePair(brief, ClassProver(penalised, thorough), exact_cuts=True)
    if penalised.design.shape[1] > MOST_PROVED:
        return OraclePair(brief, thorough, exact_cuts=True)
    prover = ClassProver(penalised, thorough, max_work=_WORK)
    return OraclePair(brief, HybridOracle(prover), exact_cuts=True)
