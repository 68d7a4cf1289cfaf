from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import TOLVA, Fleet, results

from servers.postgresql import Postgresql
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3
from tolva.coffee import four_questions
from tolva.coffee.generate import generate

sys.path.insert(0, str(Path(__file__).parents[1] / "planner"))  # TPC-H and its judge are this area's, too


@pytest.fixture
def fleet(postgresql: Postgresql, rabbitmq: Rabbitmq, s3: S3, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(postgresql, rabbitmq, s3, tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture(scope="session")
def coffee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coffee data of 40,000 transactions, with the questions beside it."""
    folder = tmp_path_factory.mktemp("coffee") / "data"
    generate(folder, transactions=40_000, seed=7)
    (folder.parent / "four_questions.yaml").write_text(four_questions())
    return folder


@pytest.fixture(scope="session")
def answers(coffee: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The four questions as one process answers them."""
    folder = tmp_path_factory.mktemp("embedded")
    words = [TOLVA, "run", coffee.parent / "four_questions.yaml", "--data", coffee, "--output", folder / "out", "-q"]
    subprocess.run(
        words, env={**os.environ, "TOLVA_STATE": str(folder / "state")}, check=True, stdout=subprocess.DEVNULL
    )
    return results(folder / "out")
