"""Several files on their way to a server at once, by whichever protocol.

While one file waits for the server's disk another one's bytes go up. The server is told of the files one after the
other: in that order those of a table count there, whichever comes first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from tolva.errors import InputError, UsageError

_AT_ONCE = 2
"""A third file makes nothing quicker: a server cuts as many at a time as it has processors."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to send: for which table, under which name, and where it is."""

    table: str
    name: str
    path: Path


Steps = Generator[int, None, None]
Send = Callable[[LocalFile], Steps]
"""Sends a file step by step, and yields how many of its bytes the server has for good.

First when the server was told of the file; then now and then, and last when it is whole.
"""


def local_files(files: Mapping[str, Iterable[str | Path]], base: str | Path | None) -> list[LocalFile]:
    """Return the files of each table in their order, the first of each table before all others.

    With those the server knows the tables' columns, and work begins. Files below the folder ``base`` are called by
    their path from it. UsageError if two files of a table would have the same name.
    """
    found = [LocalFile(table, _name(Path(path), base), Path(path)) for table, paths in files.items() for path in paths]
    names: dict[tuple[str, str], Path] = {}
    for file in found:
        other = names.setdefault((file.table, file.name), file.path)
        if other is not file.path:
            raise UsageError(f"Table {file.table}: {other} and {file.path} would both be sent as {file.name}.")
    first = {file.table: file for file in reversed(found)}
    return sorted(found, key=lambda file: file is not first[file.table])


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is to be sent; InputError if it can't be read."""
    try:
        with path.open("rb") as source:
            yield source
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", file=str(path)) from None


def send_files(files: Sequence[LocalFile], send: Send, on_bytes: Callable[[int], None] = lambda _: None) -> None:
    """Send the files, two at a time; tell ``on_bytes``, in this thread, how many bytes of all are there.

    The first error of any file ends all of them, and is raised. Whatever interrupts this thread ends them, too; it
    doesn't wait for what is under way.
    """
    lanes = _Lanes(files, send)
    count = min(_AT_ONCE, len(files))
    try:
        for _ in range(count):
            # Daemons: a command that is interrupted ends without them.
            threading.Thread(target=lanes.run, name="sending", daemon=True).start()
        sent = 0
        for _ in range(count):
            while (news := lanes.news.get()) is not None:
                if isinstance(news, Exception):
                    raise news
                sent += news
                on_bytes(sent)
    finally:
        lanes.stop()


class _Lanes:
    """What the threads that send share.

    ``news`` is how many bytes more are there, the error that ended a thread, or None where one has no more to do.
    """

    def __init__(self, files: Iterable[LocalFile], send: Send) -> None:
        self.news: SimpleQueue[int | Exception | None] = SimpleQueue()
        self._files = iter(files)
        self._send = send
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._first: dict[str, LocalFile] = {}
        self._known: set[str] = set()
        self._stopped = False

    def run(self) -> None:
        """Send one file after the other until there are no more."""
        try:
            while self._send_next():
                pass
            self.news.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            self.news.put(error)

    def stop(self) -> None:
        """Have all threads leave off at their next step."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _send_next(self) -> bool:
        with self._turn:
            file = next(self._files, None)
            if file is None or self._stopped:
                return False
            steps = self._send(file)
            reached: int | None = next(steps)
            first = self._first.setdefault(file.table, file)
        there = 0
        with closing(steps):
            self._await_columns(file, first)
            while reached is not None and not self._stopped:
                if reached > there:
                    self.news.put(reached - there)
                    self._note_columns(file)
                    there = reached
                reached = next(steps, None)
        self._note_columns(file)
        return not self._stopped

    def _await_columns(self, file: LocalFile, first: LocalFile) -> None:
        """Wait until the server has the beginning of the table's first file, which decides the table's columns."""
        with self._changed:
            self._changed.wait_for(lambda: file is first or file.table in self._known or self._stopped)

    def _note_columns(self, file: LocalFile) -> None:
        if file.table not in self._known:
            with self._changed:
                self._known.add(file.table)
                self._changed.notify_all()


def _name(path: Path, base: str | Path | None) -> str:
    return str(path.relative_to(base)) if base is not None and path.is_relative_to(base) else path.name
