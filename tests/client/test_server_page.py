"""docs/server.md does what it says, against a real server."""

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

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
BLOCKS = re.findall(r"<!-- run: (bash|python) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    generate(home / "coffee", transactions=20_000, seed=3)
    (home / "coffee" / "four_questions.yaml").write_text(four_questions())
    return home


def test_three_ways_lead_to_the_same_answers(server: Server, folder: Path) -> None:
    assert len(BLOCKS) == 3
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for kind, text in BLOCKS:
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
