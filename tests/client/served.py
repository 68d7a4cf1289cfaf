"""A real server, started as users start it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

SERVES = re.compile(r"tolva serves on (http://\S+)")


class Server:
    """``tolva serve`` on a free port; it can be killed and started again on the same state."""

    def __init__(self, state: Path, *options: str) -> None:
        self._state = state
        self._options = options
        self._port = 0
        self.process: Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Start, and wait until it serves."""
        words = ["serve", "--port", str(self._port), "--state", self._state, "--workers", "2", *self._options]
        self.process = Popen(
            [sys.executable, "-m", "tolva", *map(str, words)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := SERVES.search(line):
                self.url = found.group(1)
                self._port = int(self.url.rpartition(":")[2])
                break
        assert self.url, "".join(said)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self) -> None:
        """End it without warning."""
        assert self.process is not None
        self.process.kill()
        self._gone()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self._gone()

    def _gone(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.wait(120)
        self.process.stderr.close()


@contextmanager
def served(state: Path, *options: str) -> Iterator[Server]:
    """Have a server inside the block."""
    server = Server(state, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
