"""Servers that several areas' tests share: each is started with the first test that asks, once a test process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from servers.postgresql import Postgresql
    from servers.rabbitmq import Rabbitmq
    from servers.s3 import S3


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    from servers.postgresql import Postgresql  # noqa: PLC0415 - most test runs need no servers

    server = Postgresql()
    yield server
    server.close()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Rabbitmq]:
    from servers.rabbitmq import Rabbitmq  # noqa: PLC0415 - likewise

    server = Rabbitmq()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    from servers.s3 import S3  # noqa: PLC0415 - likewise

    server = S3()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqs() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - likewise

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()
