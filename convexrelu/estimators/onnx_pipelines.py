"""ONNX graphs of whole pipelines, by skl2onnx."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted

from convexrelu.estimators.classifier import ConvexReLUClassifier
from convexrelu.estimators.classifier_cv import ConvexReLUClassifierCV
from convexrelu.estimators.exports import Exports
from convexrelu.estimators.features import ConvexReLUFeatures
from convexrelu.estimators.quantiles import ConvexReLUQuantileRegressor, QuantileOfNetwork
from convexrelu.estimators.regressor import ConvexReLURegressor
from convexrelu.estimators.regressor_cv import ConvexReLURegressorCV
from convexrelu.interop import onnx as own
from convexrelu.interop.onnx_names import rename_inputs
from convexrelu.interop.skl2onnx import convert, convert_features, register
from convexrelu.interop.skl2onnx_gaps import (
    MISSING,
    convert_encoder,
    convert_imputer,
    set_imputer_shapes,
)

if TYPE_CHECKING:
    import onnx

__all__ = ["register_onnx_converters", "to_onnx"]

_CLASSIFIERS = ConvexReLUClassifier, ConvexReLUClassifierCV
_REGRESSORS = (
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ConvexReLUQuantileRegressor,
    QuantileOfNetwork,
)

_ML_OPSET = 3  # of the same ONNX
# Rows on which a graph is compared, and what rounding may do there in double and in single precision.
_COMPARED = 100
_IN_DOUBLE, _IN_SINGLE = 1e-7, 1e-3


def to_onnx(
    model: Any,
    X: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: str | None = None,
) -> onnx.ModelProto:
    """What ``predict`` and ``predict_proba`` of a fitted pipeline or estimator say, as one ONNX graph.

    Pipelines, column transformers and searches go through skl2onnx. Numbers are computed in double precision, so that
    the graph agrees with scikit-learn to more than six digits.

    Parameters
    ----------
    model : Pipeline, estimator or TwoLayerNetwork
        Fitted.
    X : DataFrame or array of shape (n, d), optional
        Some rows, which say the types of the inputs, and on which what the graph says is compared with what `model`
        says, if onnxruntime is installed. Without them the fitted encoders say which columns are text.
    path : path, optional
        File to write as well.
    dtype : {"float32", "float64"}, optional
        Type of the numbers that go in and come out. By default double precision for pipelines and whenever there is
        an `X` of another type than float32, single precision for a network alone.

    Returns
    -------
    onnx.ModelProto
        With an input ``"X"`` of shape (n, d); or, for a model that was fitted on named columns of several types, one of
        shape (n, 1) for each name. Missing strings are ``""``, or ``"None"`` where rows had
        None, and missing numbers NaN. Outputs are ``"label"`` and
        ``"probabilities"`` of a classifier and ``"variable"`` of a regressor, with ``"_output"`` behind if a column has
        that name; for a network or an estimator of this package alone, those of
        :func:`convexrelu.interop.onnx.to_onnx`.

    Raises
    ------
    ImportError
        If onnx or skl2onnx is not installed.
    ValueError
        For a step without a form in ONNX, or one that skl2onnx writes in a form that says something else on `X`; or
        columns whose types are not known without `X`.
    NotFittedError
        For a model that is not fitted.

    See Also
    --------
    register_onnx_converters : For graphs that are made by skl2onnx itself.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from convexrelu import ConvexReLURegressor, to_onnx
    >>> pipeline = make_pipeline(StandardScaler(), ConvexReLURegressor(random_state=0))
    >>> graph = to_onnx(pipeline.fit([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0])).graph
    >>> [each.name for each in graph.input], [each.name for each in graph.output]
    (['X'], ['variable'])
    """
    if dtype not in (None, "float32", "float64"):
        raise ValueError(f"dtype={dtype!r} is not known; available: 'float32', 'float64'")
    if isinstance(model, Exports) or not isinstance(model, BaseEstimator):
        single = X is None or getattr(X, "dtype", None) == np.float32
        return own.to_onnx(model, path, dtype=dtype or ("float32" if single else "float64"))
    check_is_fitted(model)
    X = X.toarray() if issparse(X) else X
    graph = _by_skl2onnx(
        model, X, single=dtype == "float32" or getattr(X, "dtype", 0) == np.float32
    )
    if X is not None:
        _check_agreement(graph, model, X)
    if path is not None:
        own.save(graph, path)
    return graph


def register_onnx_converters() -> None:
    """Register the estimators of this package with skl2onnx.

    ``skl2onnx.to_onnx`` of pipelines works without. It is needed for meta-estimators that look for a name, such as
    ``StackingRegressor`` and ``CalibratedClassifierCV``, and for ``options={"zipmap": False}``.
    Probabilities are a table in any case.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> from convexrelu import register_onnx_converters
    >>> register_onnx_converters()
    """
    _imported()
    for kind in (*_CLASSIFIERS, *_REGRESSORS):
        register(kind, convert)
    register(ConvexReLUFeatures, convert_features)


def _imported() -> Any:
    try:
        import skl2onnx
    except ImportError as error:
        raise ImportError('to_onnx needs skl2onnx: pip install "convexrelu[onnx]"') from error
    return skl2onnx


def _by_skl2onnx(model: Any, X: Any, *, single: bool) -> onnx.ModelProto:
    skl2onnx = _imported()
    register_onnx_converters()
    types = _input_types(model, X, single)
    try:
        graph = skl2onnx.convert_sklearn(
            model,
            initial_types=types,
            target_opset={"": own.OPSET, "ai.onnx.ml": _ML_OPSET},
            options={id(part): {"zipmap": False} for part in _classifiers(model)},
            custom_conversion_functions={
                SimpleImputer: convert_imputer,
                OneHotEncoder: convert_encoder,
            },
            custom_shape_calculators={SimpleImputer: set_imputer_shapes},
        )
    except ValueError:
        raise
    except Exception as error:  # of many kinds, with no common base
        raise ValueError(f"model has a step without a form in ONNX: {error}") from error
    rename_inputs(graph, [name for name, _ in types])
    return graph


def _classifiers(model: Any) -> Iterator[Any]:
    """The estimator whose probabilities are to be a table, not a list of dictionaries."""
    if isinstance(model, Pipeline):
        yield from _classifiers(model.steps[-1][1])
    elif is_classifier(model):
        yield model


def _input_types(model: Any, X: Any, single: bool) -> list[tuple[str, Any]]:
    """Names and types of the inputs, as skl2onnx takes them."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    numbers = FloatTensorType if single else DoubleTensorType
    names = getattr(model, "feature_names_in_", None)
    if X is None:
        texts = _text_columns(model)
    elif hasattr(X, "columns"):
        texts = {name for name in X.columns if not _is_numeric(X[name])}
    else:
        texts = set() if _is_numeric(X) else set(range(np.shape(X)[1]))
    if not texts:
        if names is None or not _takes_names(model):
            return [("X", numbers([None, model.n_features_in_]))]
        return [(name, numbers([None, 1])) for name in names]
    if names is None:
        if len(texts) < model.n_features_in_:
            raise ValueError(
                "model was fitted on columns of several types without names; fit it on a DataFrame"
            )
        return [("X", StringTensorType([None, model.n_features_in_]))]
    kinds = [StringTensorType if name in texts else numbers for name in names]
    return [(name, kind([None, 1])) for name, kind in zip(names, kinds, strict=True)]


def _check_agreement(graph: onnx.ModelProto, model: Any, X: Any) -> None:
    """Raise an error where the graph says something else than the model: converters of other libraries may."""
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        return
    rows = X[:_COMPARED]
    try:
        session = InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        outputs = session.run(None, _fed(session, rows))
    except Exception as error:  # of many kinds, with no common base
        raise ValueError(f"model has a step that onnxruntime does not run: {error}") from error
    ask = "predict_proba" if len(outputs) > 1 else "predict"
    ask = ask if hasattr(model, "predict") else "transform"
    if not hasattr(model, ask):  # a classifier without probabilities
        return
    expected = np.asarray(getattr(model, ask)(rows))
    got = np.asarray(outputs[-1]).reshape(expected.shape)
    single = session.get_inputs()[-1].type == "tensor(float)" or got.dtype == np.float32
    tol = _IN_SINGLE if single else _IN_DOUBLE
    if expected.dtype.kind == "f" and not np.allclose(got, expected, rtol=tol, atol=tol):
        raise ValueError(
            f"model has a step whose graph by skl2onnx differs from {ask} on X, by up to "
            f"{float(np.nanmax(np.abs(got - expected))):.1e}"
        )


def _fed(session: Any, X: Any) -> dict[str, Any]:
    """Rows as the inputs of a session."""
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    fed = {}
    for each in session.get_inputs():
        column = _column_of(X, each.name) if each.name in getattr(X, "columns", ()) else X
        if each.type in types:
            fed[each.name] = np.asarray(column, dtype=types[each.type])
        else:
            words = np.asarray(column, dtype=object)
            texts = [_as_text(word) for word in words.ravel()]
            fed[each.name] = np.array(texts, dtype=object).reshape(words.shape)
    return fed


def _as_text(word: Any) -> str:
    """A string, or the word for what is missing; imputers tell None from NaN."""
    if isinstance(word, str):
        return word
    return str(word) if word is None else MISSING[0]


def _column_of(X: Any, name: str) -> Any:
    """A column of shape (n, 1); in numbers of an extension type gaps become NaN."""
    column = X[name]
    column = column.astype("float64") if _is_number_type(column) else column
    return column.to_numpy()[:, None]


def _is_numeric(column: Any) -> bool:
    return np.asarray(column[:1]).dtype.kind in "fiub" or _is_number_type(column)


def _is_number_type(column: Any) -> bool:
    """Whether a column of an extension type, such as ``Int64`` with gaps, has numbers."""
    ask = getattr(getattr(column, "dtype", None), "_is_numeric", None)  # of pandas
    return bool(ask)


def _takes_names(model: Any) -> bool:
    """Whether columns are taken by their names, and so cannot be one array."""
    model = getattr(model, "best_estimator_", model)  # of a search
    if isinstance(model, Pipeline):
        return _takes_names(model.steps[0][1])
    return isinstance(model, ColumnTransformer)


def _text_columns(model: Any) -> set[Any]:
    """Columns that the first steps take for text: those of encoders and imputers with strings."""
    model = getattr(model, "best_estimator_", model)  # of a search
    if isinstance(model, Pipeline):
        return _text_columns(model.steps[0][1])
    if isinstance(model, ColumnTransformer):
        found: set[Any] = set()
        for _, part, columns in model.transformers_:
            found |= {_column(model, columns, k) for k in _text_columns(part)}
        return found
    values = getattr(model, "categories_", None)
    if values is None:
        statistics = getattr(model, "statistics_", None)
        values = () if statistics is None else [np.array([each]) for each in statistics]
    return {k for k, column in enumerate(values) if any(isinstance(each, str) for each in column)}


def _column(model: ColumnTransformer, columns: Any, position: int) -> Any:
    """The name of a column that a part takes, or its number."""
    taken: Any = columns
    if isinstance(columns, slice):
        taken = range(*columns.indices(model.n_features_in_))
    elif np.asarray(columns).dtype == bool:
        taken = np.flatnonzero(columns)
    elif np.ndim(columns) == 0:
        taken = [columns]
    found = taken[position]
    names = getattr(model, "feature_names_in_", None)
    return found if isinstance(found, str) or names is None else names[found]
