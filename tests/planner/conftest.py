"""What the planner's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judge import Judge, judge
from odd_tables import STATEMENTS


@pytest.fixture(scope="session")
def the_judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A judge over sales, shops, odd and nothing."""
    folder: Path = tmp_path_factory.mktemp("judge")
    with judge(folder, STATEMENTS) as one:
        yield one
