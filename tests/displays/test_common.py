"""Axes of displays."""

import matplotlib.pyplot as plt
import numpy as np

from convexrelu.displays import ConvergenceDisplay

CURVES = np.arange(1.0, 4.0), np.array([3.0, 2.0, 1.5]), np.array([0.0, 1.0, 1.4])


def test_a_new_figure_is_made_and_kept_with_its_axes():
    display = ConvergenceDisplay(*CURVES, is_proof=True).plot()
    assert display.ax_.figure is display.figure_
    assert display.figure_.get_layout_engine() is not None
    plt.close(display.figure_)


def test_given_axes_are_drawn_on_and_their_whole_figure_is_kept():
    figure = plt.figure()
    ax = figure.subfigures(1, 2)[0].subplots()
    display = ConvergenceDisplay(*CURVES, is_proof=True).plot(ax)
    assert display.ax_ is ax and ax.has_data()
    assert display.figure_ is figure
    plt.close(figure)
