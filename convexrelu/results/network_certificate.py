"""Certificates of networks trained elsewhere, with findings about them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.html import certificate_html
from convexrelu.certificates.proof_file import gap_to_prove, save_proof
from convexrelu.certificates.words import SMALL_GAP, percent
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result

__all__ = ["NetworkCertificate"]


@dataclass(frozen=True, kw_only=True)
class NetworkCertificate(Certificate):
    """A certificate of global scope, with further findings about the network.

    The signs of the outer weights and the activation patterns (the samples on which each neuron is active) place a
    network in a cell of parameter space in which training is a convex problem. A local optimum has no gap within
    its cell; the rest of its global gap can be closed only by other patterns.

    Attributes
    ----------
    cell_lower_bound : float
        Lower bound on the objective of every network whose neurons have the patterns and signs of this network's
        neurons. Always proved.
    n_dead, n_linear, n_mixed : int
        Units that are zero on all training samples; units that are not, but are linear on all; all others.
        Samples of weight zero do not count.
    improved : Result or None
        Result of training from this network, if requested.
    network, problem : TwoLayerNetwork, TrainingProblem
        What was certified, for which problem.
    dual : array or None
        The best dual point that training met, on the samples of ``problem.condensed()``.

    See Also
    --------
    certify : Computes this certificate.
    Certificate : Attributes for the distance of the network from the global optimum.

    References
    ----------
    He, Wang & Tao 2020, "Piecewise linear activations substantially shape the loss surfaces of neural
    networks", ICLR.

    Examples
    --------
    >>> certificate = NetworkCertificate(
    ...     2.0, 1.5, "global", "cells", True, cell_lower_bound=1.998, n_dead=1, n_linear=0, n_mixed=4
    ... )
    >>> round(certificate.relative_gap, 6), round(certificate.cell_gap, 6)
    (0.25, 0.001)
    >>> print(certificate)
    far from a proof: the bound allows 25 % (by cells): objective 2, lower bound 1.5
    within 0.1 % of the optimum of its activation cell (proved): lower bound 1.998
    units: 1 dead, 0 linear, 4 mixed
    """

    cell_lower_bound: float
    n_dead: int
    n_linear: int
    n_mixed: int
    improved: Result | None = field(default=None, repr=False)
    network: TwoLayerNetwork | None = field(default=None, repr=False, compare=False)
    problem: TrainingProblem | None = field(default=None, repr=False, compare=False)
    dual: Array | None = field(default=None, repr=False, compare=False)

    @property
    def cell_gap(self) -> float:
        """``(objective − cell_lower_bound) / |objective|``, but at least zero: relative, like `relative_gap`."""
        gap = self.objective - self.cell_lower_bound
        return gap / abs(self.objective) if gap > 0 else 0.0

    def save_proof(self, path: str | os.PathLike[str], **options: Any) -> float:
        """Write a proof of the global gap to a file.

        Parameters
        ----------
        path : str or path
            File to write.
        **options
            As for :meth:`~convexrelu.Result.save_proof`.

        Returns
        -------
        float
            The relative gap that is proved.

        Examples
        --------
        >>> import numpy as np, os, tempfile
        >>> from convexrelu import TwoLayerNetwork, certify
        >>> X, y = np.array([[-1.0], [0.0], [1.0]]), np.array([0.0, 0.0, 1.0])
        >>> by_hand = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
        >>> certificate = certify(by_hand, X, y, alpha=0.01, improve=True, random_state=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     gap = certificate.save_proof(os.path.join(folder, "by_hand.proof"))
        >>> round(certificate.relative_gap, 3), round(gap, 3)
        (0.03, 0.03)
        """
        if self.problem is None:
            raise ValueError(
                "this certificate does not know its problem; use certificates.save_proof"
            )
        options.setdefault("relative_gap", gap_to_prove(self))
        return save_proof(path, self.problem, self.network, dual=self.dual, **options)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *self._findings()])

    def _repr_html_(self) -> str:
        return certificate_html(self, *self._findings())

    def _findings(self) -> list[str]:
        """Lines about the cell, the units, and the network that training found."""
        lines = [
            f"{self._cell()}: lower bound {self.cell_lower_bound:.6g}",
            f"units: {self.n_dead} dead, {self.n_linear} linear, {self.n_mixed} mixed",
        ]
        if self.improved is not None:
            lines.append(f"improved: {self.improved.certificate}")
        return lines

    def _cell(self) -> str:
        if self.cell_gap <= SMALL_GAP:
            return f"within {percent(self.cell_gap)} of the optimum of its activation cell (proved)"
        return f"within its activation cell, the bound allows {percent(self.cell_gap)}"
