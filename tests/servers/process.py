"""One server process, or a few that belong together, from its start to the removal of its folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

START_SECONDS = 180.0
LOOPBACK = "127.0.0.1"


_given: set[int] = set()
"""Ports that somebody is about to listen on."""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, outside the range of clients; a new one each time."""
    with Path("/proc/sys/net/ipv4/ip_local_port_range").open() as file:
        first_dynamic = int(file.read().split()[0])
    while True:
        port = 15_000 + int.from_bytes(os.urandom(2)) % (min(first_dynamic, 32_000) - 15_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


class Process:
    """A program in a process group of its own, with its output in a file."""

    def __init__(self, words: Sequence[str | Path], log: Path, **options: Any) -> None:
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                **options,
            )
        self.log = log

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send the signal to the whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def kill(self) -> None:
        """End it and all it started, at once."""
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def wait(self, seconds: float) -> int:
        return self._popen.wait(seconds)

    def wait_until(self, ready: Callable[[], object]) -> None:
        """Wait until ``ready`` raises nothing; RuntimeError with the program's output if that never happens."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                ready()
            except Exception as error:
                if not self.running or time.monotonic() > deadline:
                    self.kill()
                    tail = self.log.read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"{self._popen.args} didn't come up: {error}\n{tail}") from error
                time.sleep(0.05)  # a server has no event to wait for
            else:
                return


class Folder:
    """A temporary folder that other users may enter."""

    def __init__(self, name: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"tolva-{name}-"))
        self.path.chmod(0o755)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
