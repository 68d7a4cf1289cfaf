"""Servers that several areas' tests share, and which tests run one after the other in the same test process.

Each server is started with the first test that asks, once a test process; what asks for the same server comes to the
same process (``groups.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from groups import group_of, rank_of

if TYPE_CHECKING:
    from servers.postgresql import Postgresql
    from servers.rabbitmq import Rabbitmq
    from servers.s3 import S3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest, so that no test process is left with it in the end."""
    items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Share the tests out by group (``--dist loadscope``)."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only when there are several test processes

    class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


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
