from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from server_kit import Api, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that many tests share; each has its own jobs."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "data").mkdir()
    (folder / "data" / "small.csv").write_text("a,b\n1,x\n2,y\n3,z\n")
    server = Server(folder, "--data", str(folder / "data"))
    server.start()
    yield server
    server.close()


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    with server.client() as api:
        yield api
