"""Units that are linear on all samples, and how far layers separate classes linearly."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu._utils.arguments import check_number, check_type, finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = [
    "LinearUnits",
    "Separability",
    "layer_separability",
    "linear_separability",
    "linear_units",
]

# Weak shrinkage, so that classes that can be separated are.
_SHRINKAGE = 1e3


@dataclass(frozen=True, eq=False)
class LinearUnits:
    """Which hidden units of a network are linear on all samples.

    Returned by :func:`linear_units`.

    Attributes
    ----------
    network : TwoLayerNetwork
    always, never, mixed : boolean arrays of shape (m,)
        Units that are active on all samples, on none, and on some.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.landscape import linear_units
    >>> network = TwoLayerNetwork([[1.0], [1.0]], [1.0, -1.0], [[2.0, 3.0]], [0.0])
    >>> linear_units(network, [[0.0], [1.0], [2.0]]).shares
    {'always': 0.5, 'never': 0.0, 'mixed': 0.5}
    """

    network: TwoLayerNetwork
    always: NDArray[np.bool_]
    never: NDArray[np.bool_]
    mixed: NDArray[np.bool_]

    @property
    def shares(self) -> dict[str, float]:
        """Share of the units that is of each kind."""
        count = max(self.network.width, 1)
        return {
            kind: float(getattr(self, kind).sum()) / count for kind in ("always", "never", "mixed")
        }

    @property
    def penalty_shares(self) -> dict[str, float]:
        """Share of ``Σ_j ‖w̃_j‖ ‖a_j‖`` that units of each kind have."""
        sizes = norms(self.network.augmented_weights()) * norms(self.network.output_weights.T)
        total = sizes.sum() or 1.0
        return {
            kind: float(sizes[getattr(self, kind)].sum() / total)
            for kind in ("always", "never", "mixed")
        }

    @property
    def slope(self) -> Array:
        """Slope of the linear part, of shape (K, d), with that of a skip connection."""
        slope = self._factors @ self.network.hidden_weights
        skip = self.network.skip_weights
        return slope if skip is None else slope + skip

    @property
    def intercept(self) -> Array:
        """Intercept of the linear part, of shape (K,), with the output bias."""
        return self._factors @ self.network.hidden_bias + self.network.output_bias

    @property
    def _factors(self) -> Array:
        """Outer weights times the slope of the unit, of shape (K, m); zero for mixed units."""
        slopes = np.where(self.always, 1.0, np.where(self.never, self.network.negative_slope, 0.0))
        return self.network.output_weights * slopes

    def with_skip(self) -> TwoLayerNetwork:
        """The network of the mixed units, with a skip connection for the others: the same outputs on the samples."""
        mixed = self.network.with_neurons(self.mixed)
        return replace(mixed, output_bias=self.intercept, skip_weights=self.slope)


def linear_units(network: TwoLayerNetwork, X: ArrayLike) -> LinearUnits:
    """Sort the units of a network by their activity on samples, with the linear part as an explicit function.

    A unit that is active on all samples is a linear function there, and one that is active on none is zero, or for
    leaky units linear as well. Only mixed units make the network nonlinear on the samples.

    Parameters
    ----------
    network : TwoLayerNetwork
    X : array of shape (n, d)

    Returns
    -------
    LinearUnits

    Notes
    -----
    Units with their kink at samples and no sample beyond it count as linear.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.landscape import linear_units
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> network = TwoLayerNetwork([[1.0], [-1.0], [1.0]], [1.0, 0.0, -1.0], [[2.0, 1.0, 3.0]], [0.5])
    >>> units = linear_units(network, X)
    >>> units.always, units.never, units.mixed
    (array([ True, False, False]), array([False,  True, False]), array([False, False,  True]))
    >>> units.slope, units.intercept
    (array([[2.]]), array([2.5]))
    >>> np.array_equal(units.with_skip().predict(X), network.predict(X))
    True
    """
    check_type("network", network, TwoLayerNetwork)
    rows = finite_array("X", X, "n", network.n_features)
    seen = rows @ network.hidden_weights.T + network.hidden_bias
    never = np.all(seen <= 0, axis=0)
    always = np.all(seen >= 0, axis=0) & ~never
    return LinearUnits(network, always, never, ~(always | never))


@dataclass(frozen=True)
class Separability:
    """How far classes can be separated by linear functions of some features.

    Attributes
    ----------
    accuracy : float
        Of logistic regression on the samples.
    cross_validated : float
        Mean accuracy of logistic regression on samples that were left out.
    is_separable : bool
        Whether linear functions, one for each class, separate all samples exactly.
    n_features : int

    Examples
    --------
    >>> from convexrelu.landscape import linear_separability
    >>> found = linear_separability([[float(k)] for k in range(10)], [0] * 5 + [1] * 5)
    >>> found.is_separable, found.n_features
    (True, 1)
    """

    accuracy: float
    cross_validated: float
    is_separable: bool
    n_features: int


def linear_separability(features: ArrayLike, y: ArrayLike, *, n_folds: int = 5) -> Separability:
    """Linear separability of classes in a space of features.

    Parameters
    ----------
    features : array of shape (n, p)
    y : array of shape (n,)
        Classes, each with at least `n_folds` samples.
    n_folds : int
        Folds of the cross-validation.

    Returns
    -------
    Separability

    Notes
    -----
    `is_separable` is decided by a linear program with ``n (K − 1)`` constraints for ``K`` classes, up to its tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import linear_separability
    >>> x = np.arange(-10.0, 11.0)[:, None]
    >>> y = (np.abs(x[:, 0]) > 4).astype(int)
    >>> linear_separability(x, y).is_separable, linear_separability(np.abs(x), y).is_separable
    (False, True)
    """
    check_number("n_folds", n_folds, numbers.Integral, 2)
    columns = finite_array("features", features)
    names, labels = np.unique(np.asarray(y), return_inverse=True)
    if len(names) < 2 or columns.ndim != 2 or len(columns) != len(labels):
        raise ValueError("features has to have shape (n, p), and y (n,) with two or more classes")
    if columns.shape[1] == 0:
        most = float(np.bincount(labels).max() / len(labels))
        return Separability(most, most, False, 0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_SHRINKAGE, max_iter=5000))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    outside = float(cross_val_score(model, columns, labels, cv=folds).mean())
    inside = float(model.fit(columns, labels).score(columns, labels))
    return Separability(inside, outside, _separable(columns, labels, len(names)), columns.shape[1])


def _separable(features: Array, labels: NDArray[np.intp], n_classes: int) -> bool:
    """Whether ``(w_{y_i} − w_k)ᵀ(x_i, 1) ≥ 1`` for all other classes ``k`` has a solution."""
    scaled = StandardScaler().fit_transform(features)
    rows = np.column_stack([scaled, np.ones(len(scaled))])
    constraints = []
    for k in range(n_classes):
        others = np.flatnonzero(labels != k)
        block = np.zeros((len(others), n_classes, rows.shape[1]))
        block[np.arange(len(others)), labels[others]] = rows[others]
        block[:, k] -= rows[others]
        constraints.append(block.reshape(len(others), -1))
    left = -np.vstack(constraints)
    found = linprog(
        np.zeros(left.shape[1]), A_ub=left, b_ub=-np.ones(len(left)), bounds=(None, None), method="highs"
    )  # fmt: skip
    return bool(found.status == 0)


def layer_separability(
    network: TwoLayerNetwork, X: ArrayLike, y: ArrayLike, *, n_folds: int = 5
) -> dict[str, Separability]:
    """Linear separability of the inputs, of all hidden features, and of those of linear and of mixed units.

    He et al. ask which features of a layer can be separated linearly before the network ends, and need no further
    nonlinear function. With one hidden layer the answer compares its inputs with its outputs.

    Parameters
    ----------
    network : TwoLayerNetwork
    X : array of shape (n, d)
    y : array of shape (n,)
        Classes.
    n_folds : int
        Folds of the cross-validation.

    Returns
    -------
    dict
        With keys ``"inputs"``, ``"hidden"``, ``"linear units"`` and ``"mixed units"``.

    References
    ----------
    He, Li, Gong, Yao, Nie & Yin 2022, "Exploring linear feature disentanglement for neural networks",
    arXiv:2203.11700.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.landscape import layer_separability
    >>> X = np.arange(-10.0, 11.0)[:, None]
    >>> network = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])  # |x|
    >>> found = layer_separability(network, X, np.abs(X[:, 0]) > 4)
    >>> found["inputs"].is_separable, found["hidden"].is_separable
    (False, True)
    """
    units = linear_units(network, X)
    hidden = network.hidden_features(X)
    parts = {
        "inputs": np.asarray(X, dtype=np.float64),
        "hidden": hidden,
        "linear units": hidden[:, ~units.mixed],
        "mixed units": hidden[:, units.mixed],
    }
    return {name: linear_separability(part, y, n_folds=n_folds) for name, part in parts.items()}
