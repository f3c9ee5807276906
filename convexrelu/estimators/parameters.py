"""The parameters of the network estimators, in one table: defaults, what is allowed, and what docstrings say of them.

:func:`~convexrelu.estimators.docstrings.with_parameters` makes scikit-learn's constraints of it, and sections of
docstrings. Signatures are written out in each class, where scikit-learn and type checkers read them; a test compares
them with the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from convexrelu.estimators.entries import Kind, Parameter
from convexrelu.losses import LOSSES, Loss
from convexrelu.oracles.selection import ORACLES
from convexrelu.problem.training_problem import ACTIVATIONS
from convexrelu.solvers.base import SOLVERS
from convexrelu.training.options import EFFORTS, PATTERNS

__all__ = ["PARAMETERS", "parameters_of"]


def _one_of(names: Iterable[str]) -> str:
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


def _scorings() -> list[Any]:
    from sklearn.metrics import get_scorer_names  # which regressors and classifiers do without

    return [StrOptions(set(get_scorer_names())), callable, None]


_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_FRACTION = Interval(Real, 0, 1, closed="neither")
_COUNT = Interval(Integral, 1, None, closed="left")

_LOSSES_OF_NUMBERS = [name for name, loss in LOSSES.items() if not loss.takes_labels]
_LOSSES_OF_LABELS = ["auto", *(name for name, loss in LOSSES.items() if loss.takes_labels)]

# In the order of the docstrings. A name may have a row for each kind of estimators.
PARAMETERS = (
    Parameter(
        "alpha",
        "float",
        "Weight decay. Standardise ``X``.",
        default=0.01,
        allowed=[_POSITIVE],
        only="fixed",
        regressor="The scaling of the data term is that of :class:`sklearn.linear_model.Lasso`: standardise "
        "``y`` too, or scale `alpha` with it, or see `alpha_scale`.",
    ),
    Parameter(
        "alpha_scale",
        _one_of(("absolute", "relative")),
        '``"relative"``: `alpha` is a fraction of ``alpha_max_``, the smallest penalty at which the network is '
        "constant, which grows with ``y`` and with ``X``: ``y`` may have any scale then. It is computed in every fit "
        'from its own data, by a short search. ``"absolute"``: `alpha` itself is the penalty, and means the same '
        "objective for all samples of one population.",
        default="absolute",
        allowed=[StrOptions({"absolute", "relative"})],
        only="fixed",
    ),
    Parameter(
        "n_alphas",
        "int",
        "Number of penalties on the grid.",
        default=20,
        allowed=[_COUNT],
        only="cv",
    ),
    Parameter(
        "alphas",
        "array-like of shape (k,)",
        "The penalties to choose from, instead of a grid.",
        default=None,
        allowed=["array-like", None],
        only="cv",
    ),
    Parameter(
        "alpha_scale",
        _one_of(("absolute", "relative")),
        '``"relative"``: `alphas` are fractions of ``alpha_max_``, the smallest penalty at which the network is '
        'constant, found by a short search. ``"absolute"``: they are the penalties. A grid that is not given is '
        "relative; `alpha_` is always the penalty itself.",
        default="absolute",
        allowed=[StrOptions({"absolute", "relative"})],
        only="cv",
    ),
    Parameter(
        "eps",
        "float",
        "Ratio of the smallest penalty to the largest.",
        default=1e-3,
        allowed=[_FRACTION],
        only="cv",
    ),
    Parameter(
        "cv",
        "int, splitter or iterable",
        "Folds: a number of them, a splitter, or pairs of indices; ``None`` means five.",
        default=None,
        allowed=["cv_object"],
        only="cv",
        classifier="Numbers of folds are stratified.",
    ),
    Parameter(
        "cv_tol",
        "float",
        "Relative gap to which networks of the folds are trained, as a short search estimates it. ``None`` trains them "
        "by descent along the path, with neurons that a short search finds, and asks for no gap: that is enough for a "
        "score (within 2e-2 where descent cannot train them, as with losses that have kinks).",
        default=None,
        allowed=[_NOT_NEGATIVE, None],
        only="cv",
    ),
    Parameter(
        "scoring",
        "str or callable",
        "Score of predictions on samples that were left out, the larger the better.",
        default=None,
        allowed=_scorings,
        only="cv",
        regressor="``None`` means the negative mean of the loss (``½ (f − y)²`` for squared error).",
        classifier="``None`` means the accuracy.",
    ),
    Parameter(
        "one_standard_error",
        "bool",
        "Choose the largest penalty whose mean score is within one standard error of the best.",
        default=False,
        allowed=["boolean"],
        only="cv",
    ),
    Parameter(
        "n_jobs",
        "int",
        "Folds at a time, by joblib; :func:`joblib.parallel_config` chooses where they run.",
        default=None,
        allowed=[Integral, None],
        only="cv",
    ),
    Parameter(
        "hidden_bias",
        'bool or "free"',
        "Whether neurons have a bias: penalised with their weights, none, or free of the penalty.",
        default=True,
        allowed=["boolean", StrOptions({"free"})],
    ),
    Parameter(
        "fit_intercept",
        "bool",
        "Whether the network has an output intercept, not penalised.",
        default=True,
        allowed=["boolean"],
    ),
    Parameter(
        "skip",
        "bool",
        "Whether inputs are connected to outputs directly, by ``S x``.",
        default=False,
        allowed=["boolean"],
    ),
    Parameter(
        "skip_alpha",
        'float or "auto"',
        "Adds ``(skip_alpha/2) ‖S‖²`` to the objective. 0 needs the squared error, for which "
        '``"auto"`` is 0; for other losses it is 0.01, the default of `alpha`.',
        default="auto",
        allowed=[_NOT_NEGATIVE, StrOptions({"auto"})],
    ),
    Parameter(
        "monotonic_cst",
        "array-like of shape (d,) or dict",
        "For each feature 1, −1 or 0, or a dict of such numbers by names of features: every neuron increases in the "
        "feature, every neuron decreases, or it is free. This is enough for a monotone network, not necessary; the "
        "certificate compares with all networks of the class, see :doc:`/constraints`.",
        default=None,
        allowed=["array-like", dict, None],
        classifier="For two classes: it is the log-odds of ``classes_[1]`` that are monotone.",
    ),
    Parameter(
        "positive",
        "bool",
        "Whether outer weights are non-negative; the network is then convex. The certificate compares with all such "
        "networks.",
        default=False,
        allowed=["boolean"],
    ),
    Parameter(
        "loss",
        f"{_one_of(_LOSSES_OF_NUMBERS)} or Loss",
        "Loss function: a name, or a loss of :mod:`convexrelu.losses` with its parameters, such as "
        '``Quantile(level=0.9)``, or a custom one, see :doc:`/guides/write_a_loss`. With ``"poisson"`` the '
        "network is the logarithm of what `predict` returns.",
        default="squared_error",
        allowed=[StrOptions(set(_LOSSES_OF_NUMBERS)), Loss],
        only="regressor",
    ),
    Parameter(
        "missing_targets",
        _one_of(("error", "ignore")),
        'What NaN in ``y`` is: an error, or with ``"ignore"`` a missing target, which has no loss. The objective is a '
        "mean over samples with a target, of sums over the outputs that they have.",
        default="error",
        allowed=[StrOptions({"error", "ignore"})],
        only="regressor",
    ),
    Parameter(
        "loss",
        f"{_one_of(_LOSSES_OF_LABELS)} or Loss",
        "Loss function: a name, or a loss of :mod:`convexrelu.losses`, or a custom one, see "
        ':doc:`/guides/write_a_loss`. ``"auto"`` is ``"logistic"`` for two classes and ``"multinomial"`` for '
        'more. Others than ``"multinomial"`` are for two classes; for more, put the classifier in a '
        ':class:`sklearn.multiclass.OneVsRestClassifier`. For several labels, ``y`` of shape (n, K), ``"auto"`` is '
        '``"logistic"``, and losses of two classes are added over labels.',
        default="auto",
        allowed=[StrOptions(set(_LOSSES_OF_LABELS)), Loss],
        only="classifier",
    ),
    Parameter(
        "class_weight",
        'dict, "balanced" or None',
        "Weights of the classes, which multiply those of the samples: by label, 1 where a label is missing; "
        "or such that all classes have the same weight in total.",
        default=None,
        allowed=[dict, StrOptions({"balanced"}), None],
        only="classifier",
        cv="Scores do without.",
    ),
    Parameter(
        "activation",
        _one_of(ACTIVATIONS),
        "Hidden activation. Gated ReLU networks keep their gates fixed; they need `patterns` other than "
        '``"cutting_plane"``.',
        default="relu",
        allowed=[StrOptions(set(ACTIVATIONS))],
    ),
    Parameter(
        "negative_slope",
        "float",
        'Slope of ``"leaky_relu"`` on the left, between 0 and 1.',
        default=0.01,
        allowed=[_FRACTION],
    ),
    Parameter(
        "patterns",
        f"{_one_of(PATTERNS)} or array of shape (P, d̃)",
        "Activation patterns: generated until the gap is closed; those of `n_patterns` random gates; all of "
        "them; or those of given gates (``d̃ = d + 1`` with a hidden bias).",
        default="cutting_plane",
        allowed=[StrOptions(set(PATTERNS)), "array-like"],
        cv="Random gates are drawn for every fold anew.",
    ),
    Parameter(
        "n_patterns",
        "int",
        'Number of gates for ``patterns="sampled"``.',
        default=100,
        allowed=[_COUNT],
    ),
    Parameter(
        "solver",
        f"{_one_of(SOLVERS)} or ProgramSolver",
        'Solver of the finite convex programs. ``"auto"`` picks a native one by their shape: ``"newton"``, '
        '``"interior_point"`` or ``"fista"``. ``"network"`` trains the network itself, and those of cvxpy are '
        "references. For a custom solver see :doc:`/guides/write_a_solver`.",
        default="auto",
        allowed=[StrOptions(set(SOLVERS)), HasMethods(["relu", "gated"])],
    ),
    Parameter(
        "effort",
        _one_of(EFFORTS),
        'How much work goes into ``patterns="cutting_plane"``. ``"predict"``, for networks of which only the '
        "predictions matter: training ends when a round lowers the objective by less than a hundredth, with the status "
        'SETTLED, and the bound is that of a short search. ``"certify"``: until the gap is at most `tol`; the bound is '
        'proved where that takes seconds, and an estimate elsewhere. ``"prove"``: until a gap of `tol` is proved, '
        "however long it takes; set `time_limit`.",
        default="certify",
        allowed=[StrOptions(set(EFFORTS))],
        cv="This is for the network of all data.",
    ),
    Parameter(
        "oracle",
        f"{_one_of(ORACLES)}, Oracle or OracleFactory",
        'Oracle that certifies ``patterns="cutting_plane"``. ``"auto"`` is the one of `effort`: for ``"certify"``, one '
        "that proves where this takes seconds (with a hidden bias: one feature, and two up to about 1500 samples, by a "
        "sweep; up to eleven features by branch and bound, if that is tight enough in time), and estimates by search "
        "otherwise. For the other names see :func:`~convexrelu.oracles.selection.choose_oracles`; for a custom oracle "
        "see :doc:`/guides/write_an_oracle`.",
        default="auto",
        allowed=[StrOptions(set(ORACLES)), callable, HasMethods(["for_problem"])],
        cv='This is for the network of all data: where folds price, they do so by ``"quick"``, or ``"spike_free"`` if '
        "that is given.",
    ),
    Parameter(
        "tol",
        "float",
        "Relative duality gap to stop at.",
        default=1e-3,
        allowed=[_NOT_NEGATIVE],
        cv="For networks of folds see `cv_tol`. Training on all data ends earlier, as stalled, where the objective "
        "fell by less than `tol` in three rounds and the gap will not close within `max_iter`.",
    ),
    Parameter(
        "max_iter",
        "int",
        "Largest number of finite programs to solve for a network.",
        default=30,
        allowed=[_COUNT],
    ),
    Parameter(
        "time_limit",
        "float",
        "Seconds for a network; rounds end after nine tenths of them, the rest is for the final certificate, and the "
        "best network so far is kept. ``None`` means no limit.",
        default=None,
        allowed=[_NOT_NEGATIVE, None],
        only="fixed",
    ),
    Parameter(
        "time_limit",
        "float",
        "Seconds for the whole fit. After six tenths of them no further penalty is tried, and a warning says which "
        "were left out; the rest is for the network of all data. Without the time to try any, `alpha_` is the middle "
        "one, and has no score. ``None`` means no limit: with given `patterns` all "
        "penalties are then trained together, and with a limit one by one, up to those that cannot win.",
        default=None,
        allowed=[_NOT_NEGATIVE, None],
        only="cv",
    ),
    Parameter(
        "minimal",
        'bool or "auto"',
        "Prune to a network of fewest neurons with the same outputs on the training data, see "
        ':func:`convexrelu.optimal_set.minimal`. ``"auto"`` does so where it takes no time, and also merges neurons '
        "that are close to each other while the gap stays the same but for a hundredth of it, see "
        ":func:`convexrelu.optimal_set.compact`.",
        default="auto",
        allowed=["boolean", StrOptions({"auto"})],
        cv='``True`` prunes in folds too, ``"auto"`` does not.',
    ),
    Parameter(
        "warm_start",
        "bool",
        "Start from the patterns of the previous fit, instead of those of a moment of descent.",
        default=False,
        allowed=["boolean"],
        only="fixed",
    ),
    Parameter(
        "device",
        "str",
        'Torch device of descent, native solvers and searches, such as ``"cuda"``.',
        default="cpu",
        allowed=[str],
    ),
    Parameter(
        "callbacks",
        "list of callable",
        "Each is called with the :class:`~convexrelu.results.Round` after every round, and ends training by returning "
        "True: the best network so far is kept, with its certificate and the status STOPPED. An error in one ends the "
        "fit, and leaves the estimator as it was. See :mod:`convexrelu.callbacks` and :doc:`/watching`.",
        default=None,
        allowed=[list, tuple, None],
        cv="They see the training on all data, not the folds.",
    ),
    Parameter(
        "verbose",
        "int",
        "0: silent. 1: a progress bar, where standard error is a terminal or a notebook and rich is installed, the "
        "extra ``progress``; a line a round elsewhere. 2: a line a round in any case. Lines are messages of the logger "
        '``"convexrelu"``, and are printed where none of its handlers takes them.',
        default=0,
        allowed=["verbose"],
        cv="Before the training on all data: a bar, or a line a penalty, and from 2 on also a line a fold.",
    ),
    Parameter(
        "random_state",
        "int, RandomState or None",
        "Seed of random gates, of searches, and of the first weights of descent.",
        default=None,
        allowed=["random_state"],
        cv="Not of the folds.",
    ),
)


def parameters_of(*kinds: Kind) -> list[Parameter]:
    """Parameters of an estimator of these kinds."""
    return [parameter for parameter in PARAMETERS if parameter.only in ("", *kinds)]
