"""
A whole pipeline in ONNX
========================

Train in Python, predict anywhere: a pipeline with imputation, categories and a network becomes one ONNX graph,
which ONNX Runtime computes without scikit-learn and without this library.
"""

# %%
# The pipeline
# ------------
# Penguins, made up: three measurements with gaps, and an island, from which the species is to be told.
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from convexrelu import ConvexReLUClassifier, to_onnx

rng = np.random.default_rng(0)
n = 240
species = rng.choice(["adelie", "chinstrap", "gentoo"], n, p=[0.45, 0.2, 0.35])
means = {"adelie": (39, 18.3, 190), "chinstrap": (49, 18.4, 196), "gentoo": (47.5, 15, 217)}
measured = np.array([means[name] for name in species]) + rng.normal(0, (2.8, 1.1, 6.6), (n, 3))
table = pd.DataFrame(measured, columns=["bill_length", "bill_depth", "flipper"])
table = table.mask(rng.random(table.shape) < 0.05)
away = rng.choice(["torgersen", "dream"], n)
table["island"] = np.where(species == "gentoo", "biscoe", away)

numbers = make_pipeline(SimpleImputer(), StandardScaler())
columns = make_column_transformer(
    (numbers, ["bill_length", "bill_depth", "flipper"]),
    (OneHotEncoder(handle_unknown="ignore"), ["island"]),
)
model = make_pipeline(columns, ConvexReLUClassifier(alpha=0.01, random_state=0))
model.fit(table[:160], species[:160])
print(model[-1].certificate_)
print(f"accuracy on the other rows: {model.score(table[160:], species[160:]):.2f}")

# %%
# The graph
# ---------
# Each column of the table is an input. With a table as second argument the graph is compared with the pipeline
# on its first rows.
import tempfile
from pathlib import Path

path = Path(tempfile.mkdtemp()) / "penguins.onnx"
graph = to_onnx(model, table, path=path)
print("inputs: ", [given.name for given in graph.graph.input])
print("outputs:", [result.name for result in graph.graph.output])
print(f"{path.stat().st_size / 1e3:.1f} kB")

# %%
# Its use
# -------
# Here in Python; ONNX Runtime has the same calls for C, C++, C#, Java and JavaScript. In a text column, ``""``
# is a gap.
import onnxruntime

session = onnxruntime.InferenceSession(path)
inputs = {
    name: table[[name]].to_numpy(dtype=object if name == "island" else np.float64)
    for name in table.columns
}
labels, probabilities = session.run(None, inputs)
assert (labels == model.predict(table)).all()
difference = np.abs(probabilities - model.predict_proba(table)).max()
print(f"labels agree; probabilities differ by at most {difference:.1e}")
