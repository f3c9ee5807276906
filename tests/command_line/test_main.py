"""The command line: what it prints, what it writes, and how it ends."""

import sys

import numpy as np
import pandas as pd
import pytest

import convexrelu
from convexrelu import __main__
from convexrelu.command_line import commands
from convexrelu.command_line.main import main
from convexrelu.command_line.model_file import load_model
from convexrelu.command_line.tables import task_for

pytest.importorskip("skops")

RNG = np.random.default_rng(0)
N = 40
TABLE = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, N).astype(float),
        "town": RNG.choice(["Bonn", "Köln"], N),
        "member": RNG.choice(["TRUE", "FALSE"], N),
        "empty": np.full(N, np.nan),
    }
)
TARGETS = {
    "spend": 1e4 + 100 * np.abs(TABLE["age"] - 40) + 500 * (TABLE["town"] == "Bonn"),
    "churn": np.where(TABLE["age"] > 50, "yes", "no"),
    "visits": np.maximum(TABLE["age"] // 10 - 3, 0).astype(int),
}
TABLE.loc[3, "age"] = np.nan
TABLE.loc[4, "town"] = np.nan
TASKS = {"spend": "regression", "churn": "classification", "visits": "counts"}
QUICK = ["--alpha", "0.3", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables with their targets, and a model of each."""
    folder = tmp_path_factory.mktemp("tables")
    for name, target in TARGETS.items():
        TABLE.assign(**{name: target}).to_csv(folder / f"{name}.csv", index=False)
        assert run(folder, "fit", f"{name}.csv", "--target", name, "--task", TASKS[name], *QUICK,
                   "--output", f"{name}.model") == 0  # fmt: skip
    return folder


def run(folder, command, *arguments):
    """Run a command; arguments with a dot that is not first are files."""
    files = [
        str(folder / each) if "." in each and not each[0].isdigit() else each for each in arguments
    ]
    return main([command, *files])


def failure(capsys):
    """The one line of an error."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("convexrelu: error: "), lines
    return lines[0]


@pytest.mark.parametrize("name", TARGETS)
def test_predictions_are_those_of_the_pipeline(folder, name, capsys):
    assert run(folder, "predict", f"{name}.model", f"{name}.csv") == 0
    printed = capsys.readouterr()
    assert run(folder, "predict", f"{name}.model", f"{name}.csv", "-o", "out.csv") == 0
    assert (folder / "out.csv").read_text() == printed.out and not printed.err
    written = pd.read_csv(folder / "out.csv")
    model = load_model(folder / f"{name}.model")
    inputs = TABLE[["age", "town", "member"]].fillna({"town": ""})
    if name != "churn":  # pandas 2 reads numbers with an error in the last digits
        np.testing.assert_allclose(
            written["prediction"], model.pipeline.predict(inputs), rtol=1e-13
        )
    else:
        np.testing.assert_array_equal(written["prediction"], model.pipeline.predict(inputs))
        chances = written[["probability_no", "probability_yes"]].to_numpy()
        np.testing.assert_allclose(chances, model.pipeline.predict_proba(inputs), rtol=1e-12)


def test_fit_says_what_it_did(folder, capsys):
    """Results on standard output, all else on standard error."""
    arguments = ["spend.csv", "--target", "spend", "--alpha", "0.3", "-o", "again.model"]
    assert run(folder, "fit", *arguments) == 0
    out, err = capsys.readouterr()
    keys = [line.partition(":")[0] for line in out.splitlines()]
    assert keys == ["task", "certificate", "neurons", "penalty", "R²", "saved to"]
    assert "regression of 'spend'" in out and "within" in out
    assert "column 'empty' is empty and is left out" in err and "objective" in err
    assert "convexrelu: regression of 'spend' from 3 columns, 40 rows" in err


def test_the_task_is_guessed():
    guesses = {name: task_for(pd.Series(target)) for name, target in TARGETS.items()}
    assert guesses == TASKS | {"visits": "regression"}
    assert task_for(pd.Series([0, 1, 0])) == task_for(pd.Series([True, False])) == "classification"


def test_cross_validation(folder, capsys):
    code = run(folder, "fit", "churn.csv", "--target", "churn", "--cv", "--quiet",
               "--time-limit", "1", "-o", "cv.model")  # fmt: skip
    assert code == 0
    out = capsys.readouterr().out
    assert "in the folds" in out
    assert hasattr(load_model(folder / "cv.model").pipeline[-1], "alpha_")
    assert run(folder, "certify", "cv.model", "churn.csv", "--time-limit", "1") == 0


@pytest.mark.parametrize("name", TARGETS)
def test_certificates_of_the_training_data(folder, name, capsys):
    """The objective is the one of training: data, targets, loss and penalty are the same."""
    assert run(folder, "certify", f"{name}.model", f"{name}.csv") == 0
    objective = load_model(folder / f"{name}.model").pipeline[-1].certificate_.objective
    assert f"objective {objective:.6g}," in capsys.readouterr().out


def test_rows_without_target_are_left_out(folder, capsys):
    gaps = TABLE.assign(spend=TARGETS["spend"].where(TABLE.index > 5))
    gaps.to_csv(folder / "gaps.csv", index=False)
    assert run(folder, "fit", "gaps.csv", "--target", "spend", *QUICK, "-o", "gaps.model") == 0
    assert "6 rows without 'spend' are left out" in capsys.readouterr().err
    assert run(folder, "certify", "gaps.model", "gaps.csv") == 1
    assert "gaps.csv: column 'spend' has a gap, in row 1" in failure(capsys)


def test_export(folder, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    assert run(folder, "export", "churn.model", "-o", "churn.onnx") == 0
    assert "inputs:   age, town, member" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(folder / "churn.onnx")
    texts = TABLE[["town", "member"]].fillna("").astype(object)
    fed = {name: texts[[name]].to_numpy() for name in texts}
    labels, chances = session.run(None, fed | {"age": TABLE[["age"]].to_numpy()})
    pipeline = load_model(folder / "churn.model").pipeline
    inputs = TABLE[["age", "town", "member"]].fillna({"town": ""})
    np.testing.assert_array_equal(labels, pipeline.predict(inputs))
    np.testing.assert_allclose(chances, pipeline.predict_proba(inputs), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["spend", "churn"])
def test_report(folder, capsys, name):
    """Of the columns of the table, also those of texts."""
    assert run(folder, "report", f"{name}.model", f"{name}.csv", "-o", f"{name}.html") == 0
    assert f"saved to: {folder / name}.html" in capsys.readouterr().out
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    assert "of the global optimum" in page and "town" in page and "age" in page


BAD = {  # what goes wrong in `fit`: the text of the file, more arguments, what is said
    "no column": ("a,b\n1,2\n", ["--target", "c"], "there is no column 'c'; there are 'a', 'b'"),
    "no rows": ("a,b\n", ["--target", "b"], "there are no rows below the header"),
    "nothing": ("", ["--target", "b"], "No columns to parse from file"),
    "one class": ("a,b\n1,x\n2,x\n", ["--target", "b"], "column 'b' has one value only: x"),
    "no input": ("b\n1\n2\n3\n", ["--target", "b"], "no column can be an input: only the target"),
    "text": (
        "a,b\n1,x\n2,3\n4,5\n",
        ["--target", "b", "--task", "regression"],
        "column 'b' has 'x', where numbers are expected",
    ),
    "infinite": ("a,b\ninf,1\n2,3\n4,5\n", ["--target", "b"], "column 'a' has an infinite number"),
    "no count": (
        "a,b\n1,0.5\n2,3\n4,5\n",
        ["--target", "b", "--task", "counts"],
        "column 'b' has 0.5, which is no count",
    ),
    "no label": (
        "a,b\n1,0.5\n2,3\n4,5\n",
        ["--target", "b", "--task", "classification"],
        "column 'b' has numbers that are no labels",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_in_data_are_one_line(tmp_path, name, capsys):
    text, arguments, message = BAD[name]
    (tmp_path / "table.csv").write_text(text)
    assert run(tmp_path, "fit", "table.csv", *arguments, "-o", "out.model") == 1
    said = failure(capsys)
    assert message in said and f"{tmp_path / 'table.csv'}: " in said
    assert not (tmp_path / "out.model").exists()


def test_files_that_are_not_there_are_named(folder, capsys):
    assert run(folder, "fit", "no.csv", "--target", "a", "-o", "out.model") == 1
    assert "no.csv: there is no such file" in failure(capsys)
    assert run(folder, "predict", "no.model", "spend.csv") == 1
    assert "no.model: No such file" in failure(capsys)
    assert run(folder, "fit", "spend.csv", "--target", "spend", *QUICK, "-o", "no/out.model") == 1
    assert "out.model: No such file" in capsys.readouterr().err


def test_tables_that_do_not_fit_the_model(folder, capsys):
    TABLE.drop(columns="town").to_csv(folder / "less.csv", index=False)
    assert run(folder, "predict", "spend.model", "less.csv") == 1
    assert "less.csv: there is no column 'town'" in failure(capsys)
    TABLE.assign(age="old").to_csv(folder / "words.csv", index=False)
    assert run(folder, "predict", "spend.model", "words.csv") == 1
    assert "words.csv: column 'age' has 'old', where numbers are expected" in failure(capsys)
    TABLE.assign(churn="maybe").to_csv(folder / "maybe.csv", index=False)
    assert run(folder, "certify", "churn.model", "maybe.csv") == 1
    assert "column 'churn' has 'maybe', which" in failure(capsys)
    TABLE.assign(town="Ulm").to_csv(folder / "new.csv", index=False)
    assert run(folder, "predict", "spend.model", "new.csv") == 0  # unknown categories are none


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train"],
        ["fit", "table.csv"],
        ["fit", "table.csv", "--target", "y", "-o", "m", "--alpha", "-1"],
        ["fit", "table.csv", "--target", "y", "-o", "m", "--time-limit", "soon"],
        ["fit", "table.csv", "--target", "y", "-o", "m", "--cv", "--alpha", "0.1"],
    ],
)
def test_errors_in_arguments_end_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    assert "usage: convexrelu" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as ending:
        main(["--version"])
    assert ending.value.code == 0
    assert capsys.readouterr().out == f"convexrelu {convexrelu.__version__}\n"


def test_the_module_is_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["convexrelu", "predict", str(tmp_path / "m"), "t.csv"])
    assert __main__.main() == 1
    assert "No such file" in failure(capsys)


@pytest.mark.parametrize("has_network", [False, True])
def test_interruptions(folder, monkeypatch, capsys, has_network):
    """Exit code 130; what training has found is saved."""
    original = commands.make_model

    def made(*args, **options):
        pipeline = original(*args, **options)
        fit = pipeline.fit

        def interrupted(X, y):
            if has_network:
                fit(X, y)
            raise KeyboardInterrupt

        pipeline.fit = interrupted
        return pipeline

    monkeypatch.setattr(commands, "make_model", made)
    monkeypatch.setattr(commands, "save_model", lambda model, path: path.write_text("saved"))
    path = folder / f"{has_network}.model"
    code = main(["fit", str(folder / "spend.csv"), "--target", "spend", *QUICK, "-o", str(path)])
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 130 and path.exists() == has_network
    assert ("best network so far is saved" in said) == has_network


@pytest.mark.parametrize(("library", "command"), [("pandas", "predict"), ("skops.io", "fit")])
def test_a_missing_library_is_named_with_its_extra(folder, monkeypatch, capsys, library, command):
    monkeypatch.setitem(sys.modules, library, None)
    arguments = {
        "fit": ["spend.csv", "--target", "spend", "-o", "out.model"],
        "predict": ["spend.model", "spend.csv"],
    }
    assert run(folder, command, *arguments[command]) == 1
    assert 'is not installed: pip install "convexrelu[cli]"' in failure(capsys)


def test_a_reader_that_has_enough(folder, monkeypatch):
    """As in ``convexrelu predict … | head``: no traceback, and what is left goes nowhere."""

    def broken(options):
        raise BrokenPipeError

    monkeypatch.setattr(commands, "predict", broken)
    with open(folder / "pipe", "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run(folder, "predict", "spend.model", "spend.csv") == 1
        print("left", flush=True)
    assert (folder / "pipe").read_text() == ""
