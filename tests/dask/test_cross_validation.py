"""Folds of cross-validation as tasks of Dask."""

from joblib import parallel_config

from tests.estimators.test_backends import expected, fitted


def test_folds_on_a_cluster_have_the_same_scores(client):
    with client.as_current(), parallel_config("dask", client=client):
        assert fitted(n_jobs=-1) == expected()
