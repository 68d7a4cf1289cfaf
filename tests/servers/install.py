"""Get a Debian package if it is missing and this user may install it; else say why the tests can't run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

_TRIES = 3
_PAUSE_SECONDS = 2.0
"""Before apt-get is tried again: mirrors fail now and then."""


def need(package: str, program: str) -> Path:
    """Return the path of ``program``; when it can't be had, skip the test, or fail it if servers are required."""
    if found := _find(program):
        return found
    reason = f"{package} is not installed"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with Path("/tmp/tolva-apt.lock").open("w") as lock:  # noqa: S108 - one for all test processes of this machine
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever had the lock before may have installed it.
            reason = "" if _find(program) else _install(package)
        if found := _find(program):
            return found
    text = f"NOT TESTED: {reason}. Install the Debian package {package} to run these tests."
    if os.environ.get("TOLVA_TEST_SERVERS") == "required":
        pytest.fail(text)
    pytest.skip(text)


def _find(program: str) -> Path | None:
    paths = sorted(Path("/").glob(program.lstrip("/")), reverse=True)
    return paths[0] if paths else None


def _install(package: str) -> str:
    """Install the package; return why its program isn't there afterwards, should that be so."""
    for tries in range(_TRIES):
        if tries:
            time.sleep(_PAUSE_SECONDS)
            _apt_get("update", "-q")
        done = _apt_get("install", "-y", "-q", "--no-install-recommends", package)
        if not done.returncode:
            return f"{package} was installed, but its program is not where it is expected"
    return f"{package} could not be installed ({' '.join(done.stderr.strip().splitlines()[-1:])})"


def _apt_get(*words: str) -> subprocess.CompletedProcess[str]:
    # RUNLEVEL=1 keeps Debian from starting the server as a system service.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    patience = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    return subprocess.run(["apt-get", *patience, *words], env=environment, capture_output=True, text=True, check=False)
