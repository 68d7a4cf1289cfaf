from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.postgresql import Postgresql
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))  # its fleet is this area's, too


# Servers that are harmed are nobody else's.


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    server = Postgresql()
    yield server
    server.close()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Rabbitmq]:
    server = Rabbitmq()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    server = S3()
    yield server
    server.close()
