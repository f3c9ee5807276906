"""Charts: places and marks."""

import numpy as np
import pytest

from convexrelu.report.charts import HEIGHT, WIDTH, Axis, Line, chart

NUMBERS = {
    "zeros": [0.0, 0.0],
    "one": [5.0],
    "tiny": [1e-300, 2e-300],
    "huge": [-1e300, 1e300],
    "close": [1.0, 1.0 + 1e-9],
    "wide": [1e-12, 1e6],
    "with gaps": [np.nan, 1.0, np.inf, 2.0],
}


def line(values):
    return Line("a", np.arange(float(len(values))), np.array(values))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_points_and_marks_are_in_the_picture(name, log):
    made = chart("title", [line(NUMBERS[name])], Axis("x"), Axis("y", log=log))
    valid = [v for v in NUMBERS[name] if np.isfinite(v) and (v > 0 or not log)]
    if not valid:
        assert made is None
        return
    (drawn,) = made.lines
    assert len(drawn.dots) == len(valid)
    for dot in drawn.dots:
        assert 0 <= dot.x <= WIDTH and 0 <= dot.y <= HEIGHT
    ys = [dot.y for dot in drawn.dots]
    assert ys == [y for _, y in sorted(zip(valid, ys, strict=True))]
    assert len(made.y_ticks) <= 20 and len(made.x_ticks) <= 20
    assert all(made.top - 0.01 <= tick.at <= made.bottom + 0.01 for tick in made.y_ticks)


def test_marks_are_round_numbers():
    made = chart("t", [line([0.0, 0.93])], Axis("x"), Axis("y"))
    assert [tick.text for tick in made.y_ticks] == ["0.0", "0.2", "0.4", "0.6", "0.8"]
    made = chart("t", [line([2.0, 7.0])], Axis("x"), Axis("y", log=True))
    assert [tick.text for tick in made.y_ticks] == ["2", "5"]


def test_points_outside_the_limits_stay_drawable():
    made = chart("t", [line([-1e200, 0.5])], Axis("x"), Axis("y", limits=(0.0, 1.0)))
    assert all(abs(dot.y) <= 1e4 for dot in made.lines[0].dots)


def test_categories_are_named():
    values = Line("a", np.arange(2.0), np.array([1.0, 2.0]))
    made = chart("t", [values], Axis("town", categories=["x", "y"]), Axis("mean"))
    assert [tick.text for tick in made.x_ticks] == ["x", "y"]
    assert made.lines[0].dots[1].text == "a: 2 at town y"
