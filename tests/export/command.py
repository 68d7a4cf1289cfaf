"""The command ``tolva`` as users run it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start(*words: str | Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command with its state in the folder it runs in."""
    return subprocess.Popen(
        [sys.executable, "-m", "tolva", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "TOLVA_STATE": str(cwd / "state"), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*words: str | Path, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it printed to stdout and stderr."""
    process = start(*words, cwd=cwd, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err
