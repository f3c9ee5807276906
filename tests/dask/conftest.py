"""One cluster for all tests of this folder."""

import pytest

from tests.dask.cluster import client_of


@pytest.fixture(scope="package")
def client():
    client, cluster = client_of()
    yield client
    client.close()
    cluster.close()
