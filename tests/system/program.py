"""The command ``tolva`` as users run it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Done = subprocess.CompletedProcess[str]
Tolva = Callable[..., Done]
"""Runs the command with the words and environment given."""

TOLVA = Path(sys.executable).with_name("tolva")


def start(*words: str | Path, state: Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    return subprocess.Popen(
        [str(TOLVA), *map(str, words)],
        cwd=cwd,
        env={**os.environ, "TOLVA_STATE": str(state), "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*words: str | Path, state: Path, cwd: Path, **environment: str) -> Done:
    """Run the command to its end."""
    process = start(*words, state=state, cwd=cwd, **environment)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
