"""Get a Debian package if it is missing and this user may install it; else say why the tests can't run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def need(package: str, program: str) -> Path:
    """Return the path of ``program``; when it can't be had, skip the test, or fail it if servers are required."""
    if found := _find(program):
        return found
    reason = f"{package} is not installed"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with Path("/tmp/tolva-apt.lock").open("w") as lock:  # noqa: S108 - one for all test processes of this machine
            fcntl.flock(lock, fcntl.LOCK_EX)
            reason = _install(package)
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
    # RUNLEVEL=1 keeps Debian from starting the server as a system service.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{package} could not be installed ({done.stderr.strip().splitlines()[-1:]})"
    return f"{package} was installed, but its program is not where it is expected"
