"""``tolva serve`` as users start it, for measurements."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVES = re.compile(r"tolva serves on (http://\S+)")
TOLVA = Path(sys.executable).with_name("tolva")


@contextmanager
def served(state: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Have a server inside the block; yield its URL and process id. Its log is kept in the state folder."""
    state.mkdir(parents=True, exist_ok=True)
    log = state / "server.log"
    with log.open("w") as errors:
        command = [TOLVA, "serve", "--port", "0", "--state", state, *options]
        process = subprocess.Popen([str(word) for word in command], stderr=errors)
    try:
        yield _url(log, process), process.pid
    finally:
        process.terminate()
        process.wait(60)


def _url(log: Path, process: subprocess.Popen[bytes]) -> str:
    while (found := _SERVES.search(log.read_text())) is None:
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
    return found.group(1)
