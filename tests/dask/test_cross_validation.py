"""Folds of cross-validation, and parts of proofs, as tasks of Dask."""

import pytest
from joblib import parallel_config

from tests.estimators.test_backends import expected, fitted, proved, proved_alone


def test_folds_on_a_cluster_have_the_same_scores(client):
    with client.as_current(), parallel_config("dask", client=client):
        assert fitted(n_jobs=-1) == expected()
        assert proved() == pytest.approx(proved_alone(), rel=2e-6)
