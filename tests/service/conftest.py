from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_kit import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Return a job service that works in this process's children."""
    house = House(tmp_path)
    house.start()
    yield house
    house.stop()
