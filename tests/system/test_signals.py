"""Ctrl-C and SIGTERM stop a run within two seconds, leave nothing running, and lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import program
import psutil
import pytest

from patience import within

GRACE_SECONDS = 2.0


@pytest.fixture(scope="module")
def undisturbed(coffee: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of a run that nobody stops."""
    folder = tmp_path_factory.mktemp("undisturbed")
    words = ["run", coffee.parent / "four_questions.yaml", "--data", coffee, "--output", folder / "out"]
    done = program.run(*words, state=folder / "state", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_stops_and_resumes(number: signal.Signals, coffee: Path, undisturbed: Path, tmp_path: Path) -> None:
    words = ["run", coffee.parent / "four_questions.yaml", "--data", coffee, "--output", tmp_path / "out"]
    words += ["--chunk", "64KB"]
    process = program.start(*words, state=tmp_path / "state", cwd=tmp_path)
    family = _once_at_work(process.pid, tmp_path / "state")
    # A terminal sends Ctrl-C to the whole group.
    (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    took = time.monotonic() - began
    assert process.returncode == 130, err
    assert "--resume" in err
    assert "Traceback" not in err
    assert took < within(GRACE_SECONDS)
    _, alive = psutil.wait_procs(family, timeout=within(GRACE_SECONDS))
    assert alive == []
    resumed = program.run(*words, "--resume", state=tmp_path / "state", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    for path in undisturbed.glob("*.csv"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def _once_at_work(pid: int, state: Path) -> list[psutil.Process]:
    """Wait until partials are being written; return the run's processes."""
    give_up = time.monotonic() + 120
    while not any((state / "storage").rglob("jobs/*/*")):
        assert time.monotonic() < give_up, "no task was committed"
        time.sleep(0.005)  # the event of another process, seen in its folder
    return psutil.Process(pid).children(recursive=True)


def test_a_worker_misses_no_signal() -> None:
    """Each comes about when the wait for it begins."""
    program = (
        "import os, random, signal\n"
        "from tolva.cli.worker import _StopSignals\n"
        "for _ in range(100):\n"
        "    if not (child := os.fork()):\n"
        "        signals = _StopSignals()\n"
        "        signal.signal(signal.SIGALRM, lambda *_: None)\n"
        "        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-4))\n"
        "        signals.wait()\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
