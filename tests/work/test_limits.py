"""What a child process can't do, however hard it tries, and what is left of it when it is gone."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tolva.errors import OutOfMemoryError, WorkerLostError
from tolva.work.children import Call, Cancel, Children, Spent
from tolva.work.limits import MARGIN_BYTES, Limits, refuse_calls
from tolva.work.setup import bury, bury_strangers

MEMORY_BYTES = 64 * 2**20
FILE_BYTES = 2**20


class Doer:
    """In a child: does what it is told, under limits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed = False

    def __call__(self) -> Call:
        Limits(MEMORY_BYTES, FILE_BYTES).apply()
        return self.do

    def do(self, what: Any) -> tuple[Any, bool]:
        actions: dict[str, Callable[[], Any]] = {
            "pid": os.getpid,
            "core": lambda: resource.getrlimit(resource.RLIMIT_CORE),
            "files": lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "memory": lambda: len(bytearray(MEMORY_BYTES + MARGIN_BYTES + 2**20)),
            "some memory": lambda: len(bytearray(MEMORY_BYTES)),
            "map": self._map,
            "program": lambda: _refused(lambda: subprocess.run(["true"], check=True)),
            "large file": lambda: _refused(lambda: (self._folder / "large").write_bytes(b"x" * (FILE_BYTES + 1))),
            "close network": self._close,
            "network": lambda: _refused(lambda: socket.socket(socket.AF_INET).close()),
            "ipv6": lambda: _refused(lambda: socket.socket(socket.AF_INET6).close()),
            "local socket": lambda: _refused(lambda: socket.socket(socket.AF_UNIX).close()),
            "open work": self._open_work,
            "spill and die": self._spill_and_die,
            "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        }
        return actions[what](), True

    def _map(self) -> int:
        """Map a file that is larger than the memory there is."""
        import mmap  # noqa: PLC0415 - in the child alone

        with (self._folder / "sparse").open("rb") as file:
            return len(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def _close(self) -> bool:
        self._closed = True
        return refuse_calls(network=False)

    def _open_work(self) -> int:
        if self._closed:
            raise Spent
        return os.getpid()

    def _spill_and_die(self) -> None:
        folder = self._folder / "spill" / str(os.getpid())
        folder.mkdir(parents=True)
        (folder / "block").write_bytes(b"x")
        os.kill(os.getpid(), signal.SIGKILL)


def _refused(action: Callable[[], Any]) -> str | None:
    """Return the error that an action ends in; None if it succeeds."""
    try:
        action()
    except OSError as error:
        return str(error)
    return None


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    pool = Children(1, Doer(tmp_path), bury=partial(bury, tmp_path / "spill"))
    yield pool
    pool.close()


def ask(children: Children, request: str) -> Any:
    return children.run(request, deadline_seconds=120, cancel=Cancel())


def test_memory_ends_at_its_limit(children: Children) -> None:
    assert ask(children, "some memory") == MEMORY_BYTES
    pid = ask(children, "pid")
    with pytest.raises(OutOfMemoryError, match="needs more memory than there is"):
        ask(children, "memory")
    # And a process that ran out of memory isn't used again
    assert ask(children, "pid") != pid


def test_files_may_be_mapped_whatever_their_size(children: Children, tmp_path: Path) -> None:
    size = 8 * 2**30
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(size)
    assert ask(children, "map") == size


def test_a_child_leaves_no_core_and_opens_a_limited_number_of_files(children: Children) -> None:
    assert ask(children, "core") == (0, 0)
    assert ask(children, "files") <= 2**16


def test_a_file_ends_at_its_limit(children: Children) -> None:
    assert "File too large" in ask(children, "large file")


def test_a_child_runs_no_program(children: Children) -> None:
    assert "not permitted" in ask(children, "program")


def test_a_child_without_network_opens_local_sockets_alone(children: Children) -> None:
    assert ask(children, "network") is None
    assert ask(children, "close network") is True
    assert "not permitted" in ask(children, "network")
    assert "not permitted" in ask(children, "ipv6")
    assert ask(children, "local socket") is None


def test_what_a_child_has_made_itself_unfit_for_is_done_by_another(children: Children) -> None:
    pid = ask(children, "open work")
    assert pid == ask(children, "pid")
    ask(children, "close network")
    assert ask(children, "open work") != pid
    assert ask(children, "network") is None


def test_what_a_killed_child_spilled_is_removed(children: Children, tmp_path: Path) -> None:
    with pytest.raises(WorkerLostError, match=r"killed by SIGKILL\. Somebody stopped it from outside"):
        ask(children, "spill and die")
    assert list((tmp_path / "spill").iterdir()) == []


def test_a_crash_is_named(children: Children) -> None:
    with pytest.raises(WorkerLostError, match=r"killed by SIGSEGV\. It crashed") as caught:
        ask(children, "crash")
    assert caught.value.data == {"signal": "SIGSEGV"}
    assert caught.value.retryable


def test_what_the_dead_spilled_is_removed_and_what_the_living_did_is_not(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (str(gone.pid), str(os.getpid()), "notes"):
        (tmp_path / name).mkdir()
    bury_strangers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {str(os.getpid()), "notes"}
