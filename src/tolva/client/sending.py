"""Several files on their way to a server at once, by whichever protocol.

The server is told of all files before the first is sent: it plans the work with their sizes in mind, and those of a
table count in the order in which it was told of them. While one file waits for the server's disk another one's bytes
go up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from tolva.errors import InputError, UsageError

_AT_ONCE = 2
"""A third file makes nothing quicker: a server cuts as many at a time as it has processors."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to send: for which table, under which name, where it is and how long.

    ``leads``: it is its table's first, and others wait until the server has its beginning.
    """

    table: str
    name: str
    path: Path
    bytes: int
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that the server was told of: the id of its upload, and what the server had of it then."""

    file: LocalFile
    upload: str
    received_bytes: int
    ended: bool


Steps = Generator[int, None, None]
Send = Callable[[Announced, Callable[[int], None]], Steps]
"""Sends what the server lacks of a file step by step.

Yields how many of its bytes the server has for good: first what it had, then now and then, and last all of them. In
between it tells the function up to which byte they are on their way.
"""


def local_file(table: str, path: str | Path, name: str | None = None) -> LocalFile:
    """Return the file at ``path``, called by its own name if by no other. InputError if it can't be looked at."""
    path = Path(path)
    try:
        return LocalFile(table, name or path.name, path, path.stat().st_size)
    except OSError as error:
        raise _unreadable(path, error) from None


def local_files(files: Mapping[str, Iterable[str | Path]], base: str | Path | None) -> list[LocalFile]:
    """Return the files of each table in their order, the first of each table before all others.

    With those the server knows the tables' columns, and work begins. Files below the folder ``base`` are called by
    their path from it. UsageError if two files of a table would have the same name; InputError as ``local_file``.
    """
    found = [local_file(table, path, _name(Path(path), base)) for table, paths in files.items() for path in paths]
    names: dict[tuple[str, str], Path] = {}
    for file in found:
        other = names.setdefault((file.table, file.name), file.path)
        if other is not file.path:
            raise UsageError(f"Table {file.table}: {other} and {file.path} would both be sent as {file.name}.")
    # An empty file tells nothing of its table, so it leads where there are no others.
    first = {file.table: file for file in reversed(found) if not file.bytes}
    first |= {file.table: file for file in reversed(found) if file.bytes}
    ordered = (replace(file, leads=file is first[file.table]) for file in found)
    return sorted(ordered, key=lambda file: not file.leads)


@contextmanager
def opened(file: LocalFile) -> Iterator[BinaryIO]:
    """Open a file that is to be sent; InputError if it can't be read, or has another length than it was found with."""
    try:
        with file.path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size != file.bytes:
                raise InputError(
                    f"{file.path} had {file.bytes} bytes when it was announced and has {size} now. "
                    "Leave files alone until they were sent, then send this one to another job.",
                    file=str(file.path),
                )
            yield source
    except OSError as error:
        raise _unreadable(file.path, error) from None


def send_files(files: Sequence[Announced], send: Send, on_bytes: Callable[[int], None] = lambda _: None) -> None:
    """Send the files, two at a time; tell ``on_bytes``, in this thread, how many bytes of all were sent.

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

    ``news`` is how many bytes more were sent, the error that ended a thread, or None where one has no more to do.
    """

    def __init__(self, files: Sequence[Announced], send: Send) -> None:
        self.news: SimpleQueue[int | Exception | None] = SimpleQueue()
        self._files = iter(files)
        self._send = send
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._awaited = {announced.file.table for announced in files if announced.file.leads}
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
            announced = next(self._files, None)
        if announced is None:
            return False
        self._await_columns(announced.file)
        progress = _Progress(self.news)
        with closing(self._send(announced, progress)) as steps:
            while not self._stopped and (reached := next(steps, None)) is not None:
                progress(reached)
                if reached:
                    self._note_columns(announced.file)
        self._note_columns(announced.file)
        return not self._stopped

    def _await_columns(self, file: LocalFile) -> None:
        """Wait until the server has the beginning of the table's first file, which decides the table's columns."""
        with self._changed:
            self._changed.wait_for(lambda: file.leads or file.table not in self._awaited or self._stopped)

    def _note_columns(self, file: LocalFile) -> None:
        if file.table in self._awaited:
            with self._changed:
                self._awaited.discard(file.table)
                self._changed.notify_all()


class _Progress:
    """Puts each advance of a file into ``news``; what had to be sent again counts once."""

    def __init__(self, news: SimpleQueue[int | Exception | None]) -> None:
        self._news = news
        self._reached = 0

    def __call__(self, reached: int) -> None:
        if reached > self._reached:
            self._news.put(reached - self._reached)
            self._reached = reached


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} can't be read: {error.strerror}.", file=str(path))


def _name(path: Path, base: str | Path | None) -> str:
    return str(path.relative_to(base)) if base is not None and path.is_relative_to(base) else path.name
