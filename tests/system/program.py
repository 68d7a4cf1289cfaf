"""The command ``tolva`` as users run it, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

Done = subprocess.CompletedProcess[str]
Tolva = Callable[..., Done]
"""Runs the command with the words and environment given."""

TOLVA = Path(sys.executable).with_name("tolva")

_LIMIT_SECONDS = 300


def start(*words: str | Path, state: Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    return subprocess.Popen(
        [str(TOLVA), *map(str, words)],
        cwd=cwd,
        # Python's own faulthandler tells of every thread when it is aborted.
        env={**os.environ, "TOLVA_STATE": str(state), "COLUMNS": "200", "PYTHONFAULTHANDLER": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*words: str | Path, state: Path, cwd: Path, **environment: str) -> Done:
    """Run the command to its end."""
    process = start(*words, state=state, cwd=cwd, **environment)
    out, err = ended(process)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a command wrote, once it ended.

    One that takes too long fails the test, which says whether it was slow or hung: what its processes used of the
    processors meanwhile, and where each of their threads is.
    """
    try:
        return process.communicate(timeout=_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        used = "\n".join(_aborted(process.pid))
        out, err = process.communicate(timeout=_LIMIT_SECONDS)
    load = ", ".join(f"{value:.0f}" for value in os.getloadavg())
    raise AssertionError(f"not over after {_LIMIT_SECONDS} s, at load {load}: {process.args}\n{used}\n{out}\n{err}")


def _aborted(pid: int) -> Iterator[str]:
    """Abort a process and all below it, and yield a line about each."""
    root = psutil.Process(pid)
    for each in [*root.children(recursive=True), root]:
        with suppress(psutil.NoSuchProcess):
            times, state = each.cpu_times(), each.status()
            each.send_signal(signal.SIGABRT)
            yield f"process {each.pid} ({state}): {times.user:.1f} s user, {times.system:.1f} s system"
