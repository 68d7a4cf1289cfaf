"""README.md and docs/server.md do with a server what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from served import Server

from tolva.coffee import four_questions
from tolva.coffee.generate import generate

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- run: (bash|python) -->\n```\w+\n(.*?)```", re.DOTALL)
PROGRAMS = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate(tmp_path / "coffee", transactions=20_000, seed=3)
    (tmp_path / "coffee" / "four_questions.yaml").write_text(four_questions())
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/server.md"])
def test_three_ways_lead_to_the_same_answers(page: str, server: Server, folder: Path) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert len(blocks) == 3
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for kind, text in blocks:
        command = [*PROGRAMS[kind], text.replace("http://127.0.0.1:8080", server.url)]
        environment = os.environ | {"TOLVA_SERVER": server.url, "PATH": path}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    answers = [
        {part.name: part.read_bytes() for part in (folder / name).iterdir()}
        for name in ("answers", "answers-by-python", "answers-by-session")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0]) == {f"{name}_0001.csv" for name in ("q1", "q2_quantity", "q2_profit", "q3", "q4")}
