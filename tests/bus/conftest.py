"""Fixtures of this room's tests: NATS servers that are gone when the test is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.nats import NatsCluster, NatsServer


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """One running server that wants a token."""
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def nats_cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    """Three running servers in a cluster."""
    cluster = NatsCluster(tmp_path)
    cluster.start()
    yield cluster
    cluster.stop()
