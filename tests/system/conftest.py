"""A home for each test: a state folder, a working folder, and small coffee data that is made once."""

from __future__ import annotations

import sys
from pathlib import Path

import program
import pytest
from program import Tolva

from tolva.coffee import four_questions
from tolva.coffee.generate import generate

sys.path.insert(0, str(Path(__file__).parents[1] / "planner"))  # TPC-H and its judge are this area's, too


@pytest.fixture
def tolva(tmp_path: Path) -> Tolva:
    """Run ``tolva`` with this test's state, in this test's folder."""

    def call(*words: str | Path, **environment: str) -> program.Done:
        return program.run(*words, state=tmp_path / "state", cwd=tmp_path, **environment)

    return call


@pytest.fixture(scope="session")
def coffee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coffee data of 40,000 transactions, with the questions beside it."""
    folder = tmp_path_factory.mktemp("coffee") / "data"
    generate(folder, transactions=40_000, seed=7)
    (folder.parent / "four_questions.yaml").write_text(four_questions())
    return folder
