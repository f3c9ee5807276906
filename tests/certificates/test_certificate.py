import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from convexrelu import (
    Certificate,
    ConvexReLURegressor,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    train,
)
from convexrelu.certificates.pricing import certificate_of, price, price_and_certify
from convexrelu.certificates.words import percent
from convexrelu.oracles import CellOracle, OracleReport, RelaxationOracle, SearchOracle
from tests import reference

X, Y = reference.teacher(7, 2, 3, 0.2, 1)
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0])
ALPHA = 0.05


def random_network(rng, m=4, *, hidden_bias=True, fit_intercept=True, d=2):
    b, c = rng.standard_normal(m) * hidden_bias, rng.standard_normal(1) * fit_intercept
    return TwoLayerNetwork(rng.standard_normal((m, d)), b, rng.standard_normal((1, m)), c)


@pytest.mark.parametrize("alpha", [1e-4, 1e-2, 0.3])
def test_the_bound_is_below_the_optimum_and_sharp_at_it(options, alpha):
    optimum = reference.train_exactly(X, Y, alpha, **options)
    trained = train(TrainingProblem(X, Y, alpha, **options), tol=1e-8, random_state=0).network
    sharp = certify(trained, X, Y, alpha=alpha, **options)
    assert sharp.is_proof and sharp.scope == "global" and sharp.method == "sweep"
    assert sharp.objective == pytest.approx(optimum, rel=1e-7)
    assert optimum * (1 - 1e-4) <= sharp.lower_bound <= optimum * (1 + 1e-12)
    rng = np.random.default_rng(0)
    flags = {name: options[name] for name in ("hidden_bias", "fit_intercept")}
    for m in (0, 1, 5):  # bounds of training are tested in properties/test_soundness.py
        network = random_network(rng, m, **flags)
        certificate = certify(network, X, Y, alpha=alpha, bound="residual", **options)
        weight = options["sample_weight"]
        expected = reference.network_objective(network, X, Y, alpha, weight)
        assert certificate.objective == pytest.approx(expected, rel=1e-12)
        assert certificate.lower_bound <= optimum * (1 + 1e-12)


def test_numbers_are_plain_floats():
    certificate = certify(random_network(np.random.default_rng(0)), X, Y, alpha=ALPHA)
    for name in ("objective", "lower_bound", "relative_gap", "proved_lower_bound", "violation"):
        assert type(getattr(certificate, name)) is float


@pytest.mark.parametrize(
    ("objective", "bound", "expected"),
    [
        (2.0, 1.5, 0.25),
        (2.0, 2.0, 0.0),
        (0.0, 0.0, 0.0),
        (1.0, 1.0 + 1e-15, 0.0),
        (2.0, -2.0, 2.0),
        (0.5, 0.0, 1.0),
    ],
)
def test_relative_gap(objective, bound, expected):
    certificate = Certificate(objective, bound, "global", "cells", True)
    assert certificate.relative_gap == expected
    assert certificate.gap == max(objective - bound, 0.0)


@pytest.mark.parametrize("scope", ["global", "program"])
@pytest.mark.parametrize("method", ["cells", "search", "relaxation", "spike_free", "patterns"])
@pytest.mark.parametrize("n_starts", [0, 128])
@pytest.mark.parametrize("is_proof", [True, False])
@pytest.mark.parametrize("gap", [1e-4, 0.05, 0.97])
def test_str_says_what_it_is(scope, method, n_starts, is_proof, gap):
    bound = 2.0 * (1 - gap)
    text = str(Certificate(2.0, bound, scope, method, is_proof, 0.01, n_starts, 1e-3))
    assert method.replace("_", " ") in text
    expected = {1e-4: "0.01 %", 0.05: "5 %", 0.97: "97 %"}[gap]
    assert expected in text[: text.index("(")]
    assert text.startswith("far from") is (gap > 0.1)
    assert ("estimated" in text) is not is_proof
    small_and_proved = is_proof and gap < 0.01
    assert ("global optimum" in text) is (small_and_proved and scope == "global")
    assert ("(proved by" in text) is small_and_proved
    assert ("the program's patterns only" in text) is (scope == "program")
    if not small_and_proved:
        assert not re.search("certified|exact|global optimum|optimal|proved by", text)
    if not is_proof:
        assert "proved: within 100 %" in text
        assert (f"{n_starts} random starts" in text and "2.3%" in text) is (n_starts == 128)


def test_nothing_proved_is_said():
    assert "nothing is proved" in str(Certificate(2.0, 1.999, "global", "search", False))
    assert "nothing is proved" in str(Certificate(2.0, 1.999, "global", "search", False, -1.0))


@pytest.mark.parametrize(
    "gap", [9.0e-4, 9.001e-4, 0.01, 0.0100001, 0.9601, 3.01e-9, 1e-3, 0.1 + 1e-9]
)
def test_percentages_are_rounded_up(gap):
    """A proved gap is never printed as a smaller one, but for the rounding of the conversion."""
    number, unit = percent(gap).split()
    assert unit == "%"
    assert gap * (1 - 1e-6) <= float(number) / 100 <= gap * 1.12


def test_zero_and_infinite_gaps():
    assert percent(0.0) == "0 %" and percent(np.inf) == "inf %"
    below_zero = Certificate(0.0, -1.0, "global", "relaxation", True)
    assert below_zero.relative_gap == np.inf and str(below_zero).startswith("far from a proof")


class Page(HTMLParser):
    """Tags, styles and text of a piece of HTML; an unbalanced one is an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.styles, self.text = [], [], [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.append(tag)
        self.styles.append(dict(attributes).get("style", ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("is_proof", [True, False])
@pytest.mark.parametrize(("objective", "bound"), [(2.0, 1.5), (1.0, 1.0), (0.0, 0.0), (1.0, -3.0)])
def test_html_shows_the_sentence_and_a_full_bar(objective, bound, is_proof):
    certificate = Certificate(objective, bound, "global", "<b>mine", is_proof, 0.25 * bound, 9)
    page = Page(certificate._repr_html_())
    assert set(page.tags) == {"div", "span", "strong"}  # what is given is escaped
    first, _, rest = str(certificate).partition(": objective")
    assert first in page.text and f"objective{rest}" in page.text
    widths = [float(width) for width in re.findall(r"width:([0-9.]+)%", " ".join(page.styles))]
    assert sum(widths) == pytest.approx(100, abs=0.02)
    if (objective, bound) == (2.0, 1.5):
        assert widths == ([75, 25] if is_proof else [18.75, 56.25, 25])
    for style in page.styles:  # text has the colour of the page, whatever its theme
        assert "color:inherit" in style or not re.search(r"(?<!-)color:", style)


def test_fitted_estimators_show_their_certificate():
    model = ConvexReLURegressor(alpha=ALPHA, random_state=0)
    assert "convexrelu-certificate" not in model._repr_html_()
    model.fit(X, Y)
    gap_first = model.certificate_._repr_html_().removesuffix("</div>")
    assert model._repr_html_().startswith(gap_first)
    assert model._repr_mimebundle_()["text/html"].startswith(gap_first)
    assert "sk-top-container" in model._repr_html_()  # what scikit-learn shows
    result = train(TrainingProblem(X, Y, ALPHA), random_state=0)
    assert str(result).startswith(str(result.certificate)) and "CONVERGED" in str(result)
    assert "Round(" not in repr(result)


def test_a_searched_certificate_is_an_estimate_with_a_proved_bound():
    optimum = reference.train_exactly(X, Y, ALPHA)
    network = random_network(np.random.default_rng(0))
    certificate = certify(network, X, Y, alpha=ALPHA, oracle="search", random_state=0)
    assert not certificate.is_proof
    assert (certificate.scope, certificate.method) == ("global", "search")
    assert certificate.n_starts > 0
    assert 0 < certificate.proved_lower_bound < certificate.lower_bound
    assert certificate.proved_lower_bound <= optimum


def test_search_and_relaxation_together_prove_the_zero_network():
    problem = TrainingProblem(X, Y, 1.0)
    alpha = 1.01 * problem.alpha_max(RelaxationOracle(problem.design))
    zero = problem.zero_network()
    certificate = certify(zero, X, Y, alpha=alpha, oracle="search", random_state=0)
    assert (certificate.is_proof, certificate.scope) == (True, "global")
    assert certificate.relative_gap <= 1e-12


def test_violation():
    problem = TrainingProblem(X, Y, ALPHA).condensed()
    v = problem.dual_point(np.zeros(7))
    exact = reference.max_rectified(problem.design, v, reference.all_masks(problem.design))
    certificate, report = price_and_certify(
        problem, problem.zero_network(), CellOracle(problem.design)
    )
    assert certificate.violation == pytest.approx(exact / ALPHA - 1, rel=1e-9)
    assert report.bound == pytest.approx(exact, rel=1e-9)


def test_what_a_report_proves_is_what_the_certificate_proves():
    problem = TrainingProblem(X, Y, ALPHA).condensed()
    v = problem.dual_point(np.zeros(7))
    none = np.zeros((0, 7), dtype=bool), np.zeros(0), np.zeros((0, 3)), np.zeros(0)
    program = certificate_of(problem, 1.0, v, OracleReport(ALPHA, True, "program", "p", *none))
    assert (program.is_proof, program.scope) == (True, "program")
    assert program.proved_lower_bound == 0.0  # nothing is known of the global optimum
    report = SearchOracle(problem.design, random_state=0)(v)
    searched = certificate_of(problem, 1.0, v, report)
    assert not searched.is_proof


class Guess:
    """A searched report without witnesses."""

    def __init__(self, bound, finished=True):
        self.bound, self.finished = bound, finished

    def __call__(self, v, **options):
        empty = np.zeros(0)
        return OracleReport(
            bound=self.bound,
            is_proof=False,
            scope="global",
            method="search",
            masks=np.zeros((0, len(v)), dtype=bool),
            signs=empty,
            directions=np.zeros((0, 3)),
            values=empty,
            n_starts=9,
            finished=self.finished,
        )


def test_no_estimate_is_above_the_objective(options):
    """An oracle that finds nothing, and networks near and far from the optimum."""
    flags = {name: options[name] for name in ("hidden_bias", "fit_intercept")}
    rng = np.random.default_rng(0)
    problem = TrainingProblem(X, Y, ALPHA, **options).condensed()
    networks = [random_network(rng, m, **flags) for m in (0, 1, 3, 10)]
    networks.append(train(problem, random_state=0).network)
    for network in networks:
        for outputs in (None, rng.standard_normal(problem.n_samples)):
            certificate, report = price_and_certify(problem, network, Guess(0.0), outputs)
            assert certificate.lower_bound <= certificate.objective * (1 + 1e-12)
            assert not report.is_proof


def test_a_search_without_time_is_not_believed():
    problem = TrainingProblem(X, Y, ALPHA)
    v = problem.dual_point(np.zeros_like(Y))
    report = price(problem, problem.zero_network(), Guess(0.0, finished=False), v)
    assert report.is_proof and report.method == "relaxation" and not report.finished
    assert report.bound == RelaxationOracle(problem.design)(v).bound
    assert report.bound >= CellOracle(problem.design)(v).bound
    believed = price(problem, problem.zero_network(), Guess(0.0), v)
    assert not believed.is_proof and believed.bound == 0.0


@pytest.mark.parametrize("scope", ["global", "output_constraints"])
def test_no_estimate_is_below_what_is_proved(scope):
    estimate = Certificate(1.0, 0.4, scope, "search", False, 0.1)
    assert estimate.strengthened(0.05) == estimate
    stronger = estimate.strengthened(0.5)
    assert stronger.lower_bound == stronger.proved_lower_bound == 0.5
    assert estimate.strengthened(0.2).lower_bound == 0.4
    assert not stronger.is_proof  # its other fields are those of the search


def test_witnesses_of_a_search_without_time_stay():
    """They show what is large at other dual points."""
    problem = TrainingProblem(X, Y, ALPHA)
    v = problem.dual_point(np.zeros_like(Y))
    found = SearchOracle(problem.design, random_state=0)(v)

    def cut_short(v, **options):
        return replace(found, finished=False)

    report = price(problem, problem.zero_network(), cut_short, v)
    assert report.is_proof and len(found.values)
    for name in ("masks", "signs", "directions", "values"):
        np.testing.assert_array_equal(getattr(report, name), getattr(found, name))


def test_only_proofs_over_all_networks_replace_an_estimate():
    estimate = Certificate(1.0, 0.5, "global", "search", False, 0.1)
    proof = Certificate(2.0, 0.9, "global", "cells", True, 0.9)
    assert estimate.or_proof(proof) == replace(proof, objective=1.0)
    for other in (replace(proof, is_proof=False), replace(proof, scope="program")):
        other = replace(other, proved_lower_bound=0.2)
        assert estimate.or_proof(other) == replace(estimate, proved_lower_bound=0.2)
    looser = replace(proof, lower_bound=0.3, proved_lower_bound=0.3)
    assert estimate.or_proof(looser) == replace(estimate, proved_lower_bound=0.3)
