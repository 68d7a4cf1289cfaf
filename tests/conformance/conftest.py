from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from catalog_kit import EAGER, OPENERS, FakeClock, Place, Work

from tolva.catalog import Catalog, Limits
from tolva.plan import Plan


@pytest.fixture(params=list(OPENERS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return where a catalog can be, once for each adapter."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        yield Place(request.param, tmp_path, server.url)
        server.drop_databases()
    else:
        yield Place(request.param, tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def opened(place: Place, clock: FakeClock) -> Iterator[Callable[[Limits], Catalog]]:
    """Return a function that opens the catalog; what it opened is closed in the end."""
    with ExitStack() as stack:

        def open_with(limits: Limits) -> Catalog:
            catalog = place.open(limits, clock)
            stack.callback(catalog.close)
            return catalog

        yield open_with


@pytest.fixture
def catalog(opened: Callable[[Limits], Catalog]) -> Catalog:
    return opened(EAGER)


@pytest.fixture
def work_on(tmp_path: Path) -> Callable[[Plan], Work]:
    """Return a function that gives a worker for a plan."""
    folder = tmp_path / "work"
    folder.mkdir()
    return lambda plan: Work(plan, folder)
