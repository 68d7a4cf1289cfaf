"""Small things are quick because they load little; and the list of commands is whole all the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tolva.cli.app import COMMANDS, make_app


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "tolva", *words]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def loaded(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE))


def test_help_loads_no_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert not loaded(done) & {"duckdb", "tolva.model", "tolva.config", "tolva.cli.query"}
    # And shows each command's line whole
    lines = done.stdout.split("Commands:\n")[1].splitlines()
    assert len(lines) > 20
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_a_question_without_tables_loads_duckdb_and_little_else(tmp_path: Path) -> None:
    done = run("sql", "select 1 AS a", TOLVA_STATE=str(tmp_path))
    assert done.stdout == "a\n1\n"
    unwanted = {
        "pyarrow",
        "numpy",
        "pydantic",
        "sqlalchemy",
        "fastapi",
        "tolva.model",
        "tolva.formats",
        "tolva.planner.rules",
    }
    assert not loaded(done) & unwanted


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_is_where_the_list_says(word: str) -> None:
    done = CliRunner().invoke(make_app([word]), [word, "--help"])
    assert done.exit_code == 0
    assert f" {word} " in done.stdout.splitlines()[0]


def test_a_mistyped_command_is_told_the_right_one() -> None:
    done = run("rn")
    assert done.returncode == 2
    assert "No such command 'rn'. Did you mean 'run'?" in done.stderr


@pytest.mark.parametrize(("typed", "word", "offered"), [("ex", 1, "explain"), ("sql --wor", 2, "--workers")])
def test_the_shell_completes_commands_and_their_options(typed: str, word: int, offered: str) -> None:
    asked = {"_TOLVA_COMPLETE": "complete_bash", "COMP_WORDS": f"tolva {typed}", "COMP_CWORD": str(word)}
    command = Path(sys.executable).with_name("tolva")
    done = subprocess.run([command], env=os.environ | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [offered]


_SERVE = """
import gc
import sys

from tolva.cli import main
from tolva.gateway import server

server.run = lambda *_: print(gc.isenabled(), gc.get_freeze_count() > 0)
sys.argv = ["tolva", "serve", "--port", "0", "--state", sys.argv[1]]
main()
"""


def test_a_server_looks_for_garbage_as_it_works(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _SERVE, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
    assert "leaked" not in done.stderr  # as DuckDB would say of what is never taken apart
