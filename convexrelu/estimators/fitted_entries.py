"""What docstrings of the network estimators say of fitted attributes, warnings and errors."""

from __future__ import annotations

from convexrelu.estimators.entries import Entry

__all__ = ["ATTRIBUTES", "EXCEPTIONS", "WARNINGS"]

# In the order of the docstrings.
ATTRIBUTES = (
    Entry(
        "classes_",
        "array of shape (K,)",
        "The labels, sorted; of several labels in columns of ``y`` the numbers of the columns. Those that are constant "
        "in training have no output of the network.",
        only="classifier",
    ),
    Entry(
        "alpha_max_",
        "float",
        'The unit of `alpha` or `alphas`, with ``alpha_scale="relative"`` only. Exact for one feature, and for two up '
        "to some 200 samples; otherwise what a short search found, which is at most the exact value. On random data it "
        "was at least 0.99 of what a long search finds. 1 if the targets are constant.",
    ),
    Entry("alpha_", "float", "The chosen penalty.", only="cv"),
    Entry("alphas_", "array of shape (k,)", "All penalties, descending.", only="cv"),
    Entry(
        "cv_scores_",
        "array of shape (k, n_folds)",
        "Scores; NaN for penalties that were not tried, because they could not win or time was up. All are NaN where "
        "samples of only one class have weight: the prediction is constant, and `alpha_` is the largest penalty.",
        only="cv",
    ),
    Entry(
        "cv_widths_",
        "array of shape (k, n_folds)",
        "Numbers of neurons; -1 for penalties that were not tried.",
        only="cv",
    ),
    Entry("best_score_", "float", "Mean score of the chosen penalty.", only="cv"),
    Entry(
        "network_",
        "TwoLayerNetwork, GatedNetwork or ThresholdNetwork",
        "The network. Its ``width`` is an upper bound, the more with ``minimal=False``: others of the same outputs on "
        "the training data, and of the same certificate, may have far fewer neurons.",
        cv="It is trained on all data, and what follows is of this training.",
    ),
    Entry(
        "certificate_",
        "Certificate",
        "Its objective, lower bound and gap, and whether they are a proof.",
    ),
    Entry("history_", "list of Round", "Objective, bound, width and time, round by round."),
    Entry("status_", "Status", "How the fit ended."),
    Entry("n_iter_", "int", "Finite programs that were solved."),
    Entry(
        "feature_importances_",
        "array of shape (d,)",
        "Shares of the features in the path weights ``Σ_j |w_jk| ‖a_j‖``.",
    ),
    Entry("n_features_in_", "int", "Number of features seen during fit."),
    Entry(
        "feature_names_in_",
        "array of shape (n_features,)",
        "Their names, where ``X`` had string names for all.",
    ),
)

WARNINGS = (
    Entry(
        "AlphaWarning",
        "",
        "If `alpha` is far outside the useful range of the data; says what the largest useful penalty is, about.",
        only="fixed",
    ),
    Entry(
        "ConvergenceWarning",
        "",
        "If the gap is above `tol` at the end; says both.",
        cv="If gaps are above `cv_tol` in folds, or penalties were left out for lack of time; says how many. It is one "
        "warning for the whole fit.",
    ),
    Entry(
        "SolverWarning", "", "If the solver of the last finite program did not end as it should."
    ),
)

EXCEPTIONS = (
    Entry("ValueError", "", "For bad input; the message names the argument."),
    Entry(
        "KeyboardInterrupt",
        "",
        "If interrupted. The best network so far is kept, with its certificate, from the first steps of descent on; "
        "before that the estimator is as it was. The message says which.",
        cv="In the folds, the best penalty so far is kept, with the network of a fold.",
    ),
)
