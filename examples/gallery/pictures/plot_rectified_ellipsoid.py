"""
The rectified ellipsoid
=======================

All outputs that one neuron can have on the data form a set, the rectified ellipsoid. Its shape decides how hard
training is.
"""

# %%
# A rectified ellipsoid without spikes
# ------------------------------------
# With two samples, the possible outputs of a neuron on the data form a set in the plane: the ellipse
# :math:`\{Xu : \|u\| \le 1\}`, rectified. If the angle between the samples is acute, nothing sticks out of
# the ellipse, and the data are *spike-free*; for two samples :func:`~convexrelu.oracles.spike_free_margin`
# proves it. The line :math:`v^\top z = M(v)` supports the set. A sweep proves that :math:`M(v)` is large
# enough, while the curves are drawn through a fine grid. The right-hand plot shows the dual points with
# :math:`M(v) \le 1`; the dual of training is a maximum over this set, scaled by ``alpha``.
from convexrelu.displays import RectifiedEllipsoidDisplay

X = [[1.0, 0.0], [0.6, 0.8]]
RectifiedEllipsoidDisplay.from_data(X, v=[1.0, -0.3], polar=True)

# %%
# A rectified ellipsoid with spikes
# ---------------------------------
# If the angle is obtuse, the output of one sample is rectified where that of the other is largest, and the
# set has spikes outside the ellipse. The supporting line touches the tip of a spike. The same tip is the
# maximiser for all :math:`v` in a cone, for which the polar set has a straight side. A method that looks
# for neurons only among :math:`\{Xu \ge 0\}` misses the spikes.
X = [[1.0, 0.0], [-0.6, 0.8]]
RectifiedEllipsoidDisplay.from_data(X, v=[1.0, 0.3], polar=True)

# %%
# Three samples
# -------------
# The set is now three-dimensional, with fins in the coordinate planes and spikes along the axes. The
# surface is a grid of 121 by 61 points; the plane is placed by :math:`M(v)` from a sweep.
X = [[1.0, 0.0, 0.0], [-0.5, 0.9, 0.0], [-0.4, -0.2, 0.8]]
RectifiedEllipsoidDisplay.from_data(X, v=[1.0, 0.5, 1.2])
