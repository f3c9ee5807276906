"""Reports: what they contain, that they need nothing from elsewhere, and that nothing in them is taken for HTML."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    TrainingProblem,
    train,
)
from convexrelu.report import write_report
from tests import reference

X, Y = reference.teacher(40, 3, 3, 0.1, 0)
QUICK = {"effort": "predict", "max_iter": 2, "random_state": 0}
EVIL = "<script>alert('&')</script>"
EMPTY = {"meta", "link", "br", "circle", "line", "polyline", "rect"}


class Page(HTMLParser):
    """Tags, attributes, and text; tags that are not closed are an error."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.attributes, self.text, self.cells = [], [], [], "", []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data
            if self.open[-1] == "td":
                self.cells.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


def written(folder, fitted, *data, name="report"):
    path = folder / f"{name}.html"
    write_report(fitted, path, *data)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    # One script and one style sheet, and nothing from elsewhere.
    assert page.tags.count("script") == page.tags.count("style") == 1
    sources = [value for key, value in page.attributes if key in ("src", "href")]
    assert sources == ["data:,"] and "http" not in text.replace("http-equiv", "")
    assert not any(key.startswith("on") for key, _ in page.attributes)
    for number in re.findall(r'(?:cx|cy|x1|y1)="([^"]*)"', text):
        assert np.isfinite(float(number))
    return page


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "rooms": rng.integers(1, 6, 40),
            EVIL: rng.normal(size=40),
            "town": rng.choice(["Aachen", "<i>Bremen"], 40).astype(object),
        }
    )
    frame.loc[::9, EVIL] = np.nan
    frame.loc[::7, "town"] = None
    return frame, np.where(frame["rooms"] > 3, EVIL, "other")


@pytest.fixture(scope="module")
def pipeline(table):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    names = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer((numbers, ["rooms", EVIL]), (names, ["town"]))
    return make_pipeline(columns, ConvexReLUClassifier(**QUICK)).fit(*table)


@pytest.fixture(scope="module")
def result():
    return train(TrainingProblem(X, Y, 0.05), random_state=0)


def test_a_result_knows_its_data(folder, result):
    page = written(folder, result)
    first, _, _ = str(result.certificate).partition(": objective")
    assert first in page.text and "CONVERGED" in page.text
    for title in ("Training, round by round", "Importance", "Partial dependence", "Neurons"):
        assert title in page.text
    assert "How much the mean loss rises" in page.text
    assert "on 40 of 40 rows" in page.text
    result.report(folder / "method.html")
    same = (folder / "method.html").read_bytes()
    assert same == (folder / "report.html").read_bytes()


def test_the_table_has_the_neurons(folder, result):
    page = written(folder, result)
    neurons, hidden = result.network.neurons(), result.network.hidden_features(X)
    rows = np.reshape(page.cells, (len(neurons), 6))
    assert rows[:, 0].tolist() == [str(k + 1) for k in range(len(neurons))]
    total = sum(one.size for one in neurons)
    assert rows[0, 1] == f"{100 * neurons[0].size / total:.3g} %"
    # Kinks are at samples, where rounding decides: those count or do not.
    order = np.argsort(
        -np.linalg.norm(result.network.augmented_weights(), axis=1)
        * np.abs(result.network.output_weights[0])
    )
    counts = [float(cell.split()[0]) for cell in rows[:, 2]]
    clearly = 100 * (hidden > 1e-5 * hidden.max(axis=0)).mean(axis=0)[order]
    perhaps = 100 * (hidden > 0).mean(axis=0)[order]
    assert all(clearly - 0.1 <= counts) and all(counts <= perhaps + 0.1)


def test_a_pipeline_on_a_mixed_table(folder, pipeline, table):
    page = written(folder, pipeline, *table)
    assert "How much the accuracy falls" in page.text
    for name in ("rooms", EVIL, "town", "<i>Bremen", "mean probability of other"):
        assert name in page.text
    assert "pipeline-1__rooms" in page.text  # as the network sees it


def test_others_around_it(folder, table):
    search = GridSearchCV(ConvexReLURegressor(**QUICK), {"alpha": [0.05]}, cv=2).fit(X, Y)
    page = written(folder, search, X, Y)
    assert "How much the R² falls" in page.text and "ConvexReLURegressor" in page.text


def test_a_cross_validation_shows_its_path(folder):
    labels = np.where(np.median(Y) < Y, "high", "low")
    model = ConvexReLUClassifierCV(alphas=[0.1, 0.01], cv=2, **QUICK).fit(X, labels)
    page = written(folder, model)
    assert "accuracy, on average over folds" in page.text
    assert "Share of the features in the weights" in page.text  # there are no data
    assert "Partial dependence" not in page.text


OTHERS = {
    "gates": {"activation": "gated_relu", "patterns": "sampled", "n_patterns": 5},
    "threshold": {"activation": "threshold", "patterns": "sampled", "n_patterns": 5},
    "constant": {"alpha": 50.0},
    "skip": {"skip": True, "alpha": 50.0},
}


@pytest.mark.filterwarnings("ignore::convexrelu.AlphaWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_other_networks(folder, name):
    model = ConvexReLURegressor(random_state=0).set_params(**OTHERS[name]).fit(X, Y)
    page = written(folder, model, X, Y)
    assert ("There are none: the network is constant" in page.text) == (model.network_.width == 0)
    written(folder, model)


def test_several_outputs_and_sparse_inputs(folder):
    both = np.column_stack([Y, -Y])
    model = ConvexReLURegressor(**QUICK).fit(X, both)
    assert "Partial dependence" in written(folder, model, X, both).text
    sparse = written(folder, model, csr_array(X), both)
    assert "Partial dependence" not in sparse.text and "active rows" in sparse.text


def test_kinds_of_tables(folder):
    whole, towns = np.arange(40) % 5, np.array(["Aachen", "Bremen"])[np.arange(40) % 2]
    frame = pd.DataFrame(
        {
            "whole": pd.array(whole, dtype="Int64"),
            "real": pd.array(X[:, 0], dtype="Float64"),
            "town": pd.Categorical(towns),
            "left out": pd.date_range("2026-01-01", periods=40),
        }
    )
    other = pl.DataFrame({"whole": whole, "real": X[:, 0], "town": towns.tolist()})
    columns = make_column_transformer(
        (StandardScaler(), ["whole", "real"]), (OneHotEncoder(), ["town"])
    )
    for table in (frame, other):
        model = make_pipeline(columns, ConvexReLURegressor(**QUICK)).fit(table, Y)
        text = written(folder, model, table, Y).text
        assert "Bremen" in text.split("Partial dependence")[1]
    lists = ConvexReLURegressor(**QUICK).fit(X.tolist(), Y.tolist())
    assert "Partial dependence" in written(folder, lists, X.tolist(), Y.tolist()).text
    assert "Share of the features" in written(folder, lists, X[:1], Y[:1]).text


def test_many_rows_are_drawn(folder):
    model = ConvexReLURegressor(**QUICK).fit(X, Y)
    page = written(folder, model, np.tile(X, (20, 1)), np.tile(Y, 20))
    assert "on 500 of 800 rows" in page.text


def test_what_it_refuses(folder):
    with pytest.raises(ValueError, match="result_or_estimator is a int"):
        write_report(3, folder / "no.html")
    with pytest.raises(
        ValueError, match="Ridge has no certificate_; give an estimator of convexrelu"
    ):
        write_report(Ridge().fit(X, Y), folder / "no.html")
    model = ConvexReLURegressor(**QUICK)
    for write in (lambda path: write_report(model, path), model.report):
        with pytest.raises(NotFittedError):
            write(folder / "no.html")
    with pytest.raises(ValueError, match="y is given without X"):
        model.fit(X, Y).report(folder / "no.html", y=Y)
    assert not (folder / "no.html").exists()


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ACTIONS = """<script>
const heads = document.querySelectorAll("th button");
heads[1].click();
const dot = document.querySelector("circle");
dot.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: 50, clientY: 50}));
document.title = heads.length + "|" + document.querySelector("td").textContent + "|" + tip.textContent;
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
def test_a_browser_sorts_and_shows_what_is_hovered(folder, pipeline, table):
    written(folder, pipeline, *table, name="browser")
    path = folder / "browser.html"
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", ACTIONS + "</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}"]
    shown = subprocess.run(
        [CHROMIUM, *options, "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in shown.stderr
    n_heads, first, tip = re.search(r"<title>(.*?)</title>", shown.stdout)[1].split("|")
    assert n_heads == "6" and tip.startswith("objective: ")
    assert first == str(pipeline[-1].network_.width)  # the smallest share is first now
