"""A process without threads that forks others for the tests.

Forking the test runner itself isn't safe: it has threads (Arrow's, DuckDB's), whose locks a forked child would never
see opened. Starting every process anew isn't quick.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

_LONGEST_LIFE_SECONDS = 60


class Forks:
    """Starts processes from a process of its own; all of them are gone when this is closed."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._running: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in list(self._running):
            self.kill(pid)
        self._server.communicate()

    def start(self, target: Callable[..., None], *args: object) -> int:
        """Start a process that does this; return its id, which is its own until its end was asked for."""
        pid = self._ask((target, args))
        self._running.add(pid)
        return pid

    def end_of(self, pid: int) -> int:
        """Wait for the process; return its exit code, or the negative number of the signal that ended it."""
        self._running.remove(pid)
        return self._ask(pid)

    def kill(self, pid: int) -> int:
        """Kill the process; return as ``end_of``."""
        os.kill(pid, signal.SIGKILL)
        return self.end_of(pid)

    def _ask(self, request: int | tuple[Callable[..., None], tuple[object, ...]]) -> int:
        assert self._server.stdin
        assert self._server.stdout
        pickle.dump(request, self._server.stdin)
        self._server.stdin.flush()
        answer = pickle.load(self._server.stdout)  # noqa: S301 - our own process wrote it
        assert isinstance(answer, int)
        return answer


def serve() -> None:
    """Answer requests until there are no more."""
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 - the test wrote it
        except EOFError:
            return
        if isinstance(request, int):
            answer = os.waitstatus_to_exitcode(os.waitpid(request, 0)[1])
        else:
            answer = os.fork() or live(*request)
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def live(target: Callable[..., None], args: tuple[object, ...]) -> NoReturn:
    """Do this in the forked process, and end it."""
    signal.alarm(_LONGEST_LIFE_SECONDS)
    code = 1
    try:
        target(*args)
        code = 0
    except BaseException:  # noqa: BLE001 - the fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
