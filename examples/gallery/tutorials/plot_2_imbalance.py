"""
Rare classes, and probabilities that are right
==============================================

One sample in fifteen is positive. Class weights find more of them, and make the probabilities wrong;
calibration, or a threshold chosen on purpose, leaves them right.
"""

# %%
# Data whose true probabilities are known
# ---------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (3000, 2))
truth = 1 / (1 + np.exp(5.5 - 2 * np.abs(X[:, 0]) - X[:, 1]))
y = (rng.random(len(X)) < truth).astype(int)
X_train, X_test, y_train, y_test, _, truth_test = train_test_split(
    X, y, truth, train_size=600, random_state=0, stratify=y
)
print(f"{y.mean():.1%} are positive")

# %%
# Two classifiers
# ---------------
# Without weights, the logistic loss estimates probabilities. With ``class_weight="balanced"`` both classes
# count alike in training, so probabilities are those of a world in which half of all samples are positive.
from sklearn.metrics import balanced_accuracy_score, log_loss, recall_score

from convexrelu import ConvexReLUClassifier

plain = ConvexReLUClassifier(alpha=0.003, random_state=0).fit(X_train, y_train)
balanced = ConvexReLUClassifier(alpha=0.003, class_weight="balanced", random_state=0)
balanced.fit(X_train, y_train)
print("plain:   ", plain.certificate_)
print("balanced:", balanced.certificate_)


def scores(name, probabilities, threshold=0.5):
    found = (probabilities > threshold).astype(int)
    print(
        f"{name:<30} recall {recall_score(y_test, found):.2f}, "
        f"balanced accuracy {balanced_accuracy_score(y_test, found):.2f}, "
        f"log loss {log_loss(y_test, probabilities):.3f}"
    )


scores("plain", plain.predict_proba(X_test)[:, 1])
scores("balanced", balanced.predict_proba(X_test)[:, 1])

# %%
# A threshold instead of weights
# ------------------------------
# A missed positive that costs as much as ten false alarms is worth an alarm from a probability of 1/11 on. So
# keep the right probabilities, and move the threshold. ``TunedThresholdClassifierCV`` of scikit-learn finds
# one by cross-validation, if the costs are not known.
scores("plain, threshold 1/11", plain.predict_proba(X_test)[:, 1], 1 / 11)

# %%
# Calibration
# -----------
# If a model must have weights, or a loss without probabilities such as the hinge loss, calibrate it.
from sklearn.calibration import CalibratedClassifierCV

calibrated = CalibratedClassifierCV(balanced, method="sigmoid", cv=3).fit(X_train, y_train)
hinge = ConvexReLUClassifier(alpha=0.003, loss="squared_hinge", random_state=0)
hinge = CalibratedClassifierCV(hinge, method="sigmoid", cv=3).fit(X_train, y_train)
scores("balanced, calibrated", calibrated.predict_proba(X_test)[:, 1])
scores("squared hinge, calibrated", hinge.predict_proba(X_test)[:, 1])

# %%
# On the diagonal, probabilities are those with which the data were drawn.
models = {
    "plain": plain,
    "balanced": balanced,
    "balanced, calibrated": calibrated,
    "squared hinge, calibrated": hinge,
}
_, axes = plt.subplots(1, 4, figsize=(11, 3), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ax.scatter(truth_test, model.predict_proba(X_test)[:, 1], s=3, alpha=0.4)
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    ax.set(title=name, xlabel="true probability", xlim=(0, 1), ylim=(0, 1))
axes[0].set_ylabel("predicted probability")
plt.show()
