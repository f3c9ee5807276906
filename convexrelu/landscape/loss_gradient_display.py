"""Loss-gradient clouds as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from convexrelu.certificates.certificate import Certificate
from convexrelu.displays.common import BELOW, AxesDisplay
from convexrelu.landscape.certified_line import check_bound, draw_optimum
from convexrelu.landscape.curvature import CURVATURES, Curvature
from convexrelu.landscape.walks import Walks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LossGradientDisplay"]

_COLORS = dict(zip(CURVATURES, ("C2", "C0", "C3", "0.65"), strict=True))


class LossGradientDisplay(AxesDisplay):
    """Losses and lengths of gradients along walks; matplotlib is imported when it is drawn.

    Parameters
    ----------
    losses, gradient_norms : arrays of shape (N,)
        One entry per point.
    classes : array of str of shape (N,), optional
        Curvature of the points, which gives them colours.
    certificate : Certificate, optional
        Bound on the objective of a training problem, drawn as a line. A proved bound above one of the losses
        belongs to another problem, and raises a ValueError.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from convexrelu.landscape import LossGradientDisplay, LossLandscape, walk
    >>> X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> xor = LossLandscape(X, [0.0, 1.0, 1.0, 0.0], width=2, activation="tanh")
    >>> display = LossGradientDisplay.from_walks(walk(xor, n_steps=50, random_state=0))
    >>> display.ax_.get_xlabel()
    'loss'
    """

    def __init__(
        self,
        losses: ArrayLike,
        gradient_norms: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.losses = np.asarray(losses, dtype=np.float64)
        self.gradient_norms = np.asarray(gradient_norms, dtype=np.float64)
        self.classes = None if classes is None else np.asarray(classes)
        check_bound(certificate, self.losses)
        self.certificate = certificate

    @classmethod
    def from_walks(
        cls,
        walks: Walks,
        *,
        curvature: Curvature | None = None,
        certificate: Certificate | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the points of walks that were kept.

        Parameters
        ----------
        walks : Walks
            Walks of any kind.
        curvature : Curvature, optional
            Curvature at ``walks.points``.
        certificate : Certificate, optional
            As for the class.
        ax : matplotlib Axes, optional
        **kwargs
            As for :meth:`plot`.
        """
        losses, norms = walks.losses[:, walks.kept], walks.gradient_norms[:, walks.kept]
        classes = None if curvature is None else curvature.classes
        if classes is not None and classes.shape != losses.shape:
            raise ValueError(f"curvature has shape {classes.shape}, expected {losses.shape}")
        display = cls(
            losses.ravel(),
            norms.ravel(),
            classes=None if classes is None else classes.ravel(),
            certificate=certificate,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, *, log: bool = True, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        log : bool
            Whether axes are logarithmic.
        **kwargs
            Passed to ``ax.scatter``.
        """
        ax = self._take_axes(ax)
        style: dict[str, Any] = {"s": 4, "alpha": 0.5, "linewidths": 0} | kwargs
        for name, chosen, color in self._groups():
            points = self.losses[chosen], self.gradient_norms[chosen]
            group: dict[str, Any] = {"color": color, "label": name, "rasterized": True}
            ax.scatter(*points, **(group | style))
        if log:
            ax.set(xscale="log", yscale="log")
        if self.certificate is not None:
            draw_optimum(ax, self.certificate)
        ax.set(xlabel="loss", ylabel="length of the gradient")
        if self.classes is not None or self.certificate is not None:
            legend = ax.legend(**BELOW, ncols=3, markerscale=4)
            for handle in filter(None, legend.legend_handles):
                handle.set_alpha(1.0)
        return self

    def _groups(self) -> list[tuple[str, Any, str]]:
        """Names, members and colours; the largest group is drawn first, below the others."""
        if self.classes is None:
            return [("points of the walks", slice(None), "C0")]
        counts = [(int(np.sum(self.classes == name)), name) for name in CURVATURES]
        return [
            (f"{name} ({count / len(self.classes):.0%})", self.classes == name, _COLORS[name])
            for count, name in sorted(counts, reverse=True)
            if count
        ]
