"""Charts of lines as coordinates and texts, which the template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["Axis", "Chart", "Line", "chart"]

# Size of the picture, and of the frame inside, in units of SVG: near to pixels of a phone.
WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 72, 10, 10, 46
# Numbers of ticks on an axis at most.
_MOST_TICKS = 6


class Axis(NamedTuple):
    """What an axis shows: a name, whether it is logarithmic, limits if not those of the data, and categories if any."""

    name: str
    log: bool = False
    limits: tuple[float, float] | None = None
    categories: Sequence[str] = ()


class Line(NamedTuple):
    """Points of a line, its name, and whether it is dashed."""

    name: str
    x: Array
    y: Array
    dashed: bool = False


class Dot(NamedTuple):
    """A point of the picture, and what is said of it."""

    x: float
    y: float
    text: str


class Drawn(NamedTuple):
    """A line in the picture."""

    name: str
    dots: list[Dot]
    dashed: bool

    @property
    def path(self) -> str:
        """Points as SVG has them."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots)


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture for the template."""

    title: str
    x_name: str
    y_name: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Drawn]
    mark: float | None

    width: ClassVar[int] = WIDTH
    height: ClassVar[int] = HEIGHT
    # The frame of the lines.
    left: ClassVar[int] = LEFT
    right: ClassVar[int] = WIDTH - RIGHT
    top: ClassVar[int] = TOP
    bottom: ClassVar[int] = HEIGHT - BOTTOM


def chart(
    title: str, lines: Sequence[Line], x: Axis, y: Axis, *, mark: float | None = None
) -> Chart | None:
    """Lay out lines; points that are not finite, or not positive on a logarithmic axis, are left out.

    Parameters
    ----------
    title : str
    lines : list of Line
    x, y : Axis
    mark : float, optional
        Where a vertical line is drawn.

    Returns
    -------
    Chart or None
        None if there is no point.

    Examples
    --------
    >>> import numpy as np
    >>> line = Line("gap", np.array([0.0, 1.0]), np.array([1.0, 0.01]))
    >>> picture = chart("gap", [line], Axis("time (s)"), Axis("gap", log=True))
    >>> [tick.text for tick in picture.y_ticks]
    ['0.01', '0.1', '1']
    """
    kept = [_valid(line, x, y) for line in lines]
    if not any(len(line.x) for line in kept):
        return None
    across = _Scale(x, np.concatenate([line.x for line in kept]), LEFT, WIDTH - RIGHT)
    up = _Scale(y, np.concatenate([line.y for line in kept]), HEIGHT - BOTTOM, TOP)
    drawn = [
        Drawn(
            line.name,
            [
                Dot(across(a), up(b), f"{line.name}: {b:.5g} at {x.name} {across.text(a)}")
                for a, b in zip(line.x, line.y, strict=True)
            ],
            line.dashed,
        )
        for line in kept
    ]
    at = None if mark is None else across(mark)
    return Chart(title, x.name, y.name, across.ticks(), up.ticks(), drawn, at)


def _valid(line: Line, x: Axis, y: Axis) -> Line:
    keep = np.isfinite(line.x) & np.isfinite(line.y)
    if x.log:
        keep &= line.x > 0
    if y.log:
        keep &= line.y > 0
    return line._replace(x=line.x[keep], y=line.y[keep])


class _Scale:
    """The map from numbers to places in the picture."""

    def __init__(self, axis: Axis, values: Array, start: float, end: float) -> None:
        self._axis, self._start, self._end = axis, start, end
        low, high = axis.limits or (float(values.min()), float(values.max()))
        if axis.categories:
            low, high = -0.5, len(axis.categories) - 0.5
        low, high = self._of(low), self._of(high)
        if not high > low:
            margin = 0.5 if axis.log else abs(low) / 10 or 1.0
            low, high = low - margin, high + margin
        elif axis.limits is None and not axis.categories:
            margin = 0.04 * (high - low)
            low, high = low - margin, high + margin
        self._low, self._high = low, high

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self._low) / (self._high - self._low)
        place = self._start + share * (self._end - self._start)
        # Far outside of the frame, which cuts it off; renderers fail on large numbers.
        return float(min(max(place, -1e4), 1e4))

    def _of(self, value: float) -> float:
        return math.log10(value) if self._axis.log else float(value)

    def text(self, value: float) -> str:
        """A value in words."""
        if self._axis.categories:
            return self._axis.categories[round(value)]
        return f"{value:.4g}"

    def ticks(self) -> list[Tick]:
        """Marks within the limits."""
        if self._axis.categories:
            return [Tick(self(k), name) for k, name in enumerate(self._axis.categories)]
        if self._axis.log:
            return [Tick(self(value), f"{value:g}") for value in _decades(self._low, self._high)]
        step = nice_step(self._low, self._high)
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        digits = max(0, -math.floor(math.log10(step)))
        values = [k * step for k in range(first, last + 1)]
        far = max(abs(self._low), abs(self._high)) >= 1e5 or digits > 6
        return [Tick(self(v), f"{v:.6g}" if far else f"{v:.{digits}f}") for v in values]


def nice_step(low: float, high: float) -> float:
    """A step of 1, 2 or 5 times a power of ten between ticks of which few are between the limits.

    Examples
    --------
    >>> nice_step(0.0, 1.0), nice_step(-30.0, 90.0)
    (0.2, 20.0)
    """
    rough = (high - low) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two logarithms, and simple multiples where these are few."""
    first, last = math.floor(low), math.ceil(high)
    step = max(1, math.ceil((last - first) / _MOST_TICKS))
    for factors in ((1,), (1, 3), (1, 2, 5)):
        values = [f * 10.0**k for k in range(first, last + 1, step) for f in factors]
        inside = [value for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]
        if len(inside) >= 3:
            break
    return inside
