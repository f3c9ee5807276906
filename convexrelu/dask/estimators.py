"""The estimators: those of :mod:`convexrelu.estimators` with a client of Dask."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

import distributed
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from convexrelu.dask.fitting import fit_on_workers
from convexrelu.dask.partitions import checked_collection, computed, shares_of
from convexrelu.dask.predicting import lazily, times_exposure
from convexrelu.estimators.base import FixedAlphaEstimator
from convexrelu.estimators.classifier import ConvexReLUClassifier
from convexrelu.estimators.regressor import ConvexReLURegressor
from convexrelu.estimators.sharded import check_supported, warn_after_fit
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["DaskConvexReLUClassifier", "DaskConvexReLURegressor"]


class DaskEstimator(FixedAlphaEstimator):
    """Common base: the parameters of a plain estimator and `client`, and what works on dask collections."""

    _plain: ClassVar[type[FixedAlphaEstimator]]

    client: distributed.Client | None

    def __init_subclass__(cls, **options: Any) -> None:
        """Give the class the signature of the plain one, and `client`; scikit-learn reads the parameters there."""
        super().__init_subclass__(**options)
        own = inspect.signature(cls._plain.__init__)
        client = inspect.Parameter(
            "client",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation="distributed.Client | None",
        )

        def __init__(
            self: DaskEstimator,
            *args: Any,
            client: distributed.Client | None = None,
            **parameters: Any,
        ) -> None:
            self.__dict__.update(vars(cls._plain(*args, **parameters)))
            self.client = client

        signature = own.replace(parameters=[*own.parameters.values(), client])
        __init__.__signature__ = signature  # type: ignore[attr-defined]
        cls.__init__ = __init__  # type: ignore[method-assign, assignment]

    @property
    def client_(self) -> distributed.Client:
        """The client: the given one, or the default of the process; a ValueError if it is closed or there is none."""
        client = distributed.default_client() if self.client is None else self.client
        if client.status != "running":
            raise ValueError(f"client is closed: {client!r}")
        if client.asynchronous:
            raise ValueError("client is asynchronous, which is not supported")
        return client

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on the workers that hold rows.

        Parameters
        ----------
        X : dask array or dataframe of shape (n, d)
            Training inputs. They are computed and stay on the workers; partitions that are not in order are moved.
        y : dask array, series or dataframe of shape (n,) or (n, K)
            Targets, or class labels, in the same partitions.
        sample_weight : dask array or series of shape (n,), optional
            Non-negative weights; only their proportions matter.

        Returns
        -------
        object
            The fitted estimator.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If training ends with a gap above `tol`.

        Raises
        ------
        TypeError
            For data that are no dask collections.
        ValueError
            For bad data or parameters, and partitions that do not fit together.
        GroupError
            If a worker ends or fails, or the client is closed; it says which and why.
        """
        return self._fit_on_workers(X, y, sample_weight)

    def _fit_on_workers(self, X: Any, y: Any, sample_weight: Any, exposure: Any = None) -> Self:
        """Train on the workers that hold rows; to be called by ``fit``."""
        client = self.client_
        check_supported(self._unfitted())
        inputs = checked_collection("X", X)
        if inputs.ndim != 2:
            raise ValueError(f"X has ndim={inputs.ndim}, expected 2")
        others = {"y": y, "sample_weight": sample_weight, "exposure": exposure}
        for name, value in others.items():
            if name == "y" or value is not None:
                others[name] = checked_collection(name, value)
        with changed_at_once(self) as draft:
            shares = shares_of(client, inputs, **others)
            local = self.to_local() if self.warm_start else self._unfitted()
            fitted = fit_on_workers(client, local, shares)
            parameters = self.get_params(deep=False)
            draft.__dict__.update(vars(fitted) | parameters)
        warn_after_fit(self)
        return self

    def predict(self, X: Any) -> Any:
        """Predictions for the rows of a dask array or dataframe.

        Parameters
        ----------
        X : dask array or dataframe of shape (n, d)

        Returns
        -------
        dask array of shape (n,) or (n, K)
            Not computed yet.
        """
        return self._lazily("predict", X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score of predictions, as of the plain estimator; this computes them.

        Parameters
        ----------
        X : dask array or dataframe of shape (n, d)
        y : dask array, series or dataframe
        sample_weight : dask array or series of shape (n,), optional

        Returns
        -------
        float
        """
        predicted, known, weights = computed(
            predicted=self.predict(X), y=y, sample_weight=sample_weight
        )
        return float(self._score_of(known, predicted, sample_weight=weights))

    def to_local(self) -> Any:
        """The plain estimator, for data in memory: with the same parameters, and fitted if this one is."""
        local = self._unfitted()
        local.__dict__.update(
            {name: value for name, value in vars(self).items() if name != "client"}
        )
        return local

    _score_of: ClassVar[Any]

    def _unfitted(self) -> FixedAlphaEstimator:
        parameters = self.get_params(deep=False)
        del parameters["client"]
        return self._plain(**parameters)

    def _lazily(self, method: str, X: Any) -> Any:
        """The result of a method of the plain estimator."""
        check_is_fitted(self, "network_")
        model = self.to_local()
        width, dtype = _shape_of(model, method)
        return lazily(model, method, X, width, dtype)

    def __sklearn_clone__(self) -> Self:
        """An unfitted copy, with the same client, which cannot be copied."""
        parameters = {
            name: value if name == "client" else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        return type(self)(**parameters)

    def __getstate__(self) -> dict[str, Any]:
        """The state without the client, which belongs to its process."""
        return {**super().__getstate__(), "client": None}


def _shape_of(model: FixedAlphaEstimator, method: str) -> tuple[int | None, Any]:
    """Number of columns, or None for one dimension, and dtype of what a method returns."""
    network = model.network_
    assert isinstance(network, TwoLayerNetwork)
    width = None if network.n_outputs == 1 else network.n_outputs
    if isinstance(model, ConvexReLUClassifier):
        n_classes = len(model.classes_)
        if model._constants is not None:  # of several labels
            return n_classes, model._label_dtype if method == "predict" else float
        if method == "predict":
            return None, model.classes_.dtype
        if method != "decision_function":
            return n_classes, float
        width = None if n_classes == 2 else n_classes
    return width, float


class DaskConvexReLURegressor(DaskEstimator, ConvexReLURegressor):
    """:class:`~convexrelu.ConvexReLURegressor` on dask arrays and dataframes.

    One task trains on every worker that holds rows; together they do what
    :func:`convexrelu.distributed.fit` does. Each of them needs a free thread. The result depends on the rows and
    their order, but not on how many workers hold them.

    Parameters
    ----------
    *args, **parameters
        Those of :class:`~convexrelu.ConvexReLURegressor`. Parameters that choose patterns, solvers and oracles must
        have their defaults, and skip connections are not supported.
    client : distributed.Client, optional
        By default that of the process, see :func:`distributed.default_client`. It is not pickled.

    Attributes
    ----------
    client_ : distributed.Client
        The client in use.

    Notes
    -----
    Other attributes are those of :class:`~convexrelu.ConvexReLURegressor`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from convexrelu.dask import DaskConvexReLURegressor
    >>> client = Client(processes=False, n_workers=1, dashboard_address=":0")
    >>> X = da.linspace(-1, 1, 400, chunks=200)[:, None]
    >>> model = DaskConvexReLURegressor(alpha=0.01, tol=0.05, random_state=0, client=client)
    >>> model = model.fit(X, abs(X[:, 0]))
    >>> model.certificate_.relative_gap < 0.05
    True
    >>> model.predict(X).shape
    (400,)
    >>> model.to_local()
    ConvexReLURegressor(random_state=0, tol=0.05)
    >>> client.close()
    """

    _plain = ConvexReLURegressor

    def fit(self, X: Any, y: Any, sample_weight: Any = None, exposure: Any = None) -> Self:
        """Train on the workers that hold rows.

        Parameters
        ----------
        X : dask array or dataframe of shape (n, d)
            Training inputs. They are computed and stay on the workers; partitions that are not in order are moved.
        y : dask array, series or dataframe of shape (n,) or (n, K)
            Targets, in the same partitions; with ``missing_targets="ignore"`` some may be NaN.
        sample_weight : dask array or series of shape (n,), optional
            Non-negative weights; only their proportions matter.
        exposure : dask array or series of shape (n,), optional
            With the Poisson loss: the positive times, areas or numbers in which `y` were counted.

        Returns
        -------
        object
            The fitted estimator.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If training ends with a gap above `tol`.

        Raises
        ------
        TypeError, ValueError, GroupError
            As for :class:`DaskConvexReLUClassifier`.
        """
        if exposure is not None:
            self._check_has_rates()
        return self._fit_on_workers(X, y, sample_weight, exposure)

    def predict(self, X: Any, exposure: Any = None) -> Any:
        """Predictions for the rows of a dask array or dataframe.

        Parameters
        ----------
        X : dask array or dataframe of shape (n, d)
        exposure : dask array or series of shape (n,), optional
            With the Poisson loss: factors by which the means are multiplied.

        Returns
        -------
        dask array of shape (n,) or (n, K)
            Not computed yet.
        """
        predicted = super().predict(X)
        if exposure is None:
            return predicted
        self._check_has_rates()
        return times_exposure(predicted, exposure)

    def score(self, X: Any, y: Any, sample_weight: Any = None, exposure: Any = None) -> float:
        """Score of predictions, as of the plain estimator; this computes them.

        Parameters
        ----------
        X : dask array or dataframe of shape (n, d)
        y : dask array, series or dataframe
        sample_weight : dask array or series of shape (n,), optional
        exposure : dask array or series of shape (n,), optional
            Exposures of the counts `y`, as in ``fit``.

        Returns
        -------
        float
        """
        predicted, counts, weights, exposure = computed(
            predicted=self.predict(X), y=y, sample_weight=sample_weight, exposure=exposure
        )
        known, weights = self._rates(counts, weights, exposure)
        return self._score_of(known, predicted, weights)


def _has(method: str) -> Any:
    return available_if(lambda self: hasattr(self.to_local(), method))


class DaskConvexReLUClassifier(DaskEstimator, ConvexReLUClassifier):
    """:class:`~convexrelu.ConvexReLUClassifier` on dask arrays and dataframes.

    One task trains on every worker that holds rows; together they do what
    :func:`convexrelu.distributed.fit` does. Each of them needs a free thread, and need not hold rows of all
    classes.

    Parameters
    ----------
    *args, **parameters
        Those of :class:`~convexrelu.ConvexReLUClassifier`. Parameters that choose patterns, solvers and oracles
        must have their defaults, and skip connections are not supported.
    client : distributed.Client, optional
        By default that of the process, see :func:`distributed.default_client`. It is not pickled.

    Attributes
    ----------
    client_ : distributed.Client
        The client in use.

    Notes
    -----
    Other attributes are those of :class:`~convexrelu.ConvexReLUClassifier`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from convexrelu.dask import DaskConvexReLUClassifier
    >>> client = Client(processes=False, n_workers=1, dashboard_address=":0")
    >>> X = da.linspace(-1, 1, 400, chunks=200)[:, None]
    >>> model = DaskConvexReLUClassifier(alpha=0.01, tol=0.05, random_state=0, client=client)
    >>> model = model.fit(X, abs(X[:, 0]) > 0.5)
    >>> model.predict_proba(X[:3]).compute().argmax(axis=1)
    array([1, 1, 1])
    >>> client.close()
    """

    _plain = ConvexReLUClassifier
    _score_of = staticmethod(accuracy_score)

    def decision_function(self, X: Any) -> Any:
        """Outputs of the network, as a dask array of shape (n,) or (n, K)."""
        return self._lazily("decision_function", X)

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes, as a dask array of shape (n, K)."""
        return self._lazily("predict_proba", X)

    @_has("predict_log_proba")
    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of the probabilities, as a dask array of shape (n, K)."""
        return self._lazily("predict_log_proba", X)
