"""Files of models hold no code, and nothing of other types is made when they are read."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from convexrelu import ConvexReLURegressor
from convexrelu.command_line.model_file import Model, load_model, save_model
from convexrelu.command_line.shared import CommandError

io = pytest.importorskip("skops.io")

X = np.linspace(-1, 1, 10)[:, None]


def model(*steps):
    network = ConvexReLURegressor(effort="predict", random_state=0)
    pipeline = Pipeline([*steps, ("network", network)]).fit(X, X[:, 0])
    return Model(pipeline, "regression", "y", ["x"], [])


def test_what_is_read_is_what_was_written(tmp_path):
    before = model()
    save_model(before, tmp_path / "model")
    after = load_model(tmp_path / "model")
    np.testing.assert_array_equal(after.pipeline.predict(X), before.pipeline.predict(X))
    assert after.pipeline[-1].certificate_ == before.pipeline[-1].certificate_
    assert (after.task, after.target, after.numbers, after.texts) == ("regression", "y", ["x"], [])


@pytest.mark.parametrize("function", [os.system, np.load, print, Path.unlink])
def test_functions_are_refused(tmp_path, function):
    """They would be called by ``predict``."""
    step = FunctionTransformer(np.abs)
    before = model(("step", step))
    step.func = function
    save_model(before, tmp_path / "model")
    with pytest.raises(CommandError, match="has types that are not trusted: "):
        load_model(tmp_path / "model")


def test_other_classes_are_refused_before_they_are_made(tmp_path):
    """The schema names the class; it need not come from a file that this package wrote."""
    save_model(model(), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    text = json.dumps(schema).replace('"TwoLayerNetwork"', '"Popen"')
    parts["schema.json"] = text.replace('"convexrelu.networks.two_layer"', '"subprocess"').encode()
    with zipfile.ZipFile(tmp_path / "evil", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(
        CommandError, match=r"evil: has types that are not trusted: subprocess\.Popen"
    ):
        load_model(tmp_path / "evil")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "other"])
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "model"
    save_model(model(), path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content[:100] + bytes([content[100] ^ 255]) + content[101:],
            "empty": b"",
            "text": b"a,b\n1,2\n",
            "other": io.dumps({"a": 1}),
        }[damage]
    )
    with pytest.raises(CommandError, match=r"model: is no model of convexrelu fit \("):
        load_model(path)


@pytest.mark.parametrize("changed", [{"pipeline": [1]}, {"task": "all"}, {"texts": None}])
def test_files_with_other_contents_are_refused(tmp_path, changed):
    content = {"format": 1, **vars(model()), **changed}
    (tmp_path / "model").write_bytes(io.dumps(content))
    with pytest.raises(CommandError, match="model: is no model of convexrelu fit"):
        load_model(tmp_path / "model")
