"""Hidden features as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.typing import Array
from convexrelu.estimators.data import check_parameters, checked_inputs
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.interop.skl2onnx import convert_features, set_shapes
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["ConvexReLUFeatures"]


class ConvexReLUFeatures(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, MetaEstimatorMixin, BaseEstimator
):
    """Transformer to the outputs of the neurons, ``φ(w̃_jᵀ(x, 1))``, of a network that is trained for it.

    Parameters
    ----------
    estimator : estimator
        A regressor or classifier of this package, with ``activation`` other than the gated ones. A clone of it is
        fitted; one in a :class:`sklearn.frozen.FrozenEstimator` is used as it is.
    random_state : int, RandomState or None, default=None
        Seed of the clone; ``None`` leaves that of `estimator`.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from convexrelu import ConvexReLUFeatures, ConvexReLURegressor
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> features = ConvexReLUFeatures(ConvexReLURegressor(alpha=1e-3, random_state=0))
    >>> features.fit(X, y).get_feature_names_out()
    array(['convexrelufeatures0', 'convexrelufeatures1'], dtype=object)
    >>> make_pipeline(features, Ridge(1e-6)).fit(X, y).predict([[0.5]]).round(2)
    array([0.5])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimator: Any, *, random_state: int | np.random.RandomState | None = None
    ) -> None:
        self.estimator = estimator
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, **fit_params: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Training inputs.
        y : array-like of shape (n,) or (n, K)
            Targets of the estimator.
        **fit_params
            Passed to the estimator's ``fit``, such as ``sample_weight``.

        Returns
        -------
        ConvexReLUFeatures
            The fitted transformer.
        """
        interruption: KeyboardInterrupt | None = None
        with changed_at_once(self) as draft:
            check_parameters(draft)
            checked_inputs(draft, X, reset=True)
            estimator = self._seeded(clone(self.estimator))
            try:
                estimator.fit(X, y, **fit_params)
            except KeyboardInterrupt as caught:
                if not hasattr(estimator, "network_"):
                    raise
                interruption = caught
            if not isinstance(getattr(estimator, "network_", None), TwoLayerNetwork):
                raise ValueError(
                    f"estimator={self.estimator!r} has no TwoLayerNetwork as its network_; take a regressor or "
                    "classifier of convexrelu with activation 'relu', 'leaky_relu' or 'absolute_value'"
                )
            draft.estimator_ = estimator
        if interruption is not None:  # its network is kept
            raise interruption
        return self

    def _seeded(self, estimator: Any) -> Any:
        """The estimator with a seed from `random_state`, if there is one; one that is frozen is fitted already."""
        if self.random_state is not None and not isinstance(estimator, FrozenEstimator):
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            names = [
                name for name in estimator.get_params() if name.split("__")[-1] == "random_state"
            ]
            estimator.set_params(**dict.fromkeys(sorted(names), seed))
        return estimator

    def transform(self, X: ArrayLike) -> Array:
        """Outputs of the neurons, of shape (n, m)."""
        check_is_fitted(self, "estimator_")
        return self.estimator_.network_.hidden_features(checked_inputs(self, X, reset=False))

    # What skl2onnx looks for in models that it does not know.

    def onnx_shape_calculator(self) -> Callable[[Any], None]:
        """For skl2onnx: shapes of the outputs."""
        check_is_fitted(self, "estimator_")
        return set_shapes

    def onnx_converter(self) -> Callable[[Any, Any, Any], None]:
        """For skl2onnx: a function that writes the nodes."""
        check_is_fitted(self, "estimator_")
        return convert_features

    @property
    def _n_features_out(self) -> int:
        return self.estimator_.network_.width

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags.required = True
        tags.target_tags.positive_only = inner.target_tags.positive_only
        return tags
