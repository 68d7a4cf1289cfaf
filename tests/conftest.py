"""Servers that several areas' tests share: each is started with the first test that asks, once a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from servers.postgresql import Postgresql
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3


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


@pytest.fixture(scope="session")
def sqs() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()
