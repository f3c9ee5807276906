"""
A CSV with numbers, categories and gaps
=======================================

From a file as it comes to a fitted pipeline with a certificate: gaps are filled, categories become columns,
numbers are standardised, and cross-validation chooses the penalty.
"""

# %%
# The file
# --------
# The diabetes data of scikit-learn, in their original units: ten measurements of 442 patients, and how far the
# disease progressed within a year. To have what files usually have, the sex becomes a word, and one entry in
# twelve is deleted.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

table = load_diabetes(as_frame=True, scaled=False).frame
table["sex"] = table["sex"].map({1.0: "one", 2.0: "two"})
gaps = np.random.default_rng(0).random(table.shape) < 1 / 12
gaps[:, -1] = False  # the target is complete
path = Path(tempfile.mkdtemp()) / "patients.csv"
table.mask(gaps).to_csv(path, index=False)

table = pd.read_csv(path)
table.head()

# %%
# The pipeline
# ------------
# The penalty treats all columns alike, so numbers are standardised. The target needs no scaling: the penalties
# that cross-validation tries are fractions of the largest one that makes sense for it.
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from convexrelu import ConvexReLURegressorCV

numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
columns = make_column_transformer(
    (numbers, make_column_selector(dtype_include="number")),
    (categories, make_column_selector(dtype_exclude="number")),
)
model = make_pipeline(columns, ConvexReLURegressorCV(cv=5, random_state=0))

X, y = table.drop(columns="target"), table["target"]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model.fit(X_train, y_train)

# %%
# What came out
# -------------
# The certificate is about the training objective: how much lower that of any other network could be. It is a
# proof only if it says so; with this many columns it is usually an estimate. How well the model predicts, only
# the test rows say.
network = model[-1]
print(network.certificate_)
print(f"{network.network_.width} neurons, alpha = {network.alpha_:.3g}")
print(f"R² on test rows: {model.score(X_test, y_test):.2f}")

# %%
# The scores of all penalties, and how many neurons each needs:
from convexrelu.displays import RegularizationPathDisplay

RegularizationPathDisplay.from_estimator(network)
plt.show()

# %%
# New rows
# --------
# A new row may have gaps and categories that nobody has seen.
row = X_test.iloc[[0]].assign(sex="unknown", bp=np.nan)
print(model.predict(row).round(1))
