from __future__ import annotations

from collections.abc import Iterator

import pytest
from sales import Sales, write_sales
from served import Server, served


@pytest.fixture(scope="session")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    return write_sales(tmp_path_factory.mktemp("sales"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("state")) as one:
        yield one
