"""
Barcodes of minima
==================

From which minima can a descent not get away, and how far would it have to climb? A bar begins at the loss of a minimum
and ends at the lowest pass to a deeper one. All bars lie above the certified global optimum, which no network of any
width is below, and wider networks have their bars closer to it.
"""

# %%
# A curve in one dimension, squared error and weight decay. Its optimum over networks of every width is proved.

import matplotlib.pyplot as plt
import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.landscape import (
    BarcodeDisplay,
    LossLandscape,
    barcode,
    draw_optimum,
    find_minima,
    path_heights,
)

rng = np.random.RandomState(0)
X = np.linspace(-1, 1, 20)[:, None]
y = np.sin(4 * X[:, 0]) + 0.1 * rng.normal(size=20)
problem = TrainingProblem(X, y, alpha=1e-3)
certificate = train(problem, tol=1e-4, random_state=0).certificate
print(certificate)

# %%
# For each width, descents from random starts find minima, and nudged elastic paths between all pairs of these find
# passes. Ends of descents that are not stationary
# are left out. Minima that are not found have no bars, and a pass may be lower than the path that was found.

figure, axes = plt.subplots(1, 3, figsize=(10, 4.2), layout="constrained", sharex=True)
paths = {}
for width, ax in zip((2, 4, 8), axes, strict=True):
    landscape = LossLandscape.from_problem(problem, width)
    minima = find_minima(landscape, 16, random_state=0)
    minima = minima[minima.stationarity < 1e-4].distinct(landscape)
    paths[width] = path_heights(landscape, minima.points, n_iter=200)
    bars = barcode(paths[width])
    above = bars.births / certificate.objective - 1
    climb = bars.lengths[np.isfinite(bars.lengths)] / certificate.objective
    print(
        f"width {width}: {len(above)} minima, {above.min():.1%} to {above.max():.0%} above the optimum, median "
        f"{np.median(above):.0%}; bars of up to {climb.max():.0%} of the optimum, median {np.median(climb):.1%}"
    )
    BarcodeDisplay.from_barcode(bars, certificate=certificate, ax=ax, log=True, end=0.4)
    ax.set_title(f"{width} hidden units", fontsize=10)
    ax.get_legend().remove()
axes[0].set_xlim(0.015, 0.45)
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=3)

# %%
# Two minima of the widest network: on the straight line between them the loss is high, and the nudged path goes around.
# The line at the bottom is the certified optimum again.

heights = paths[8]
pair = max(heights.paths, key=lambda ij: heights.straight[ij] - heights.heights[ij])
path = heights.paths[pair]
line = np.linspace(path[0], path[-1], 200)
places = np.linspace(0, len(path) - 1, 200)
pivots = np.arange(len(path))
nudged = np.array([np.interp(places, pivots, column) for column in path.T]).T
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
share = np.linspace(0, 1, 200)
ax.plot(share, landscape.losses(line), color="C1", label="straight line")
ax.plot(share, landscape.losses(nudged), color="C0", label="nudged path")
ax.plot([0, 1], landscape.losses(path[[0, -1]]), "o", color="C3", label="minima")
draw_optimum(ax, certificate, along="y")
ax.set(xlabel="way from one minimum to the other", ylabel="loss")
ax.legend()
plt.show()
