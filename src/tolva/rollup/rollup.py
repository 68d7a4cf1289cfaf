"""A job's roll-up, as programs see it."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tolva import crash
from tolva.errors import CancelledError, InputError, StateError, UsageError
from tolva.rollup.aggregator import Aggregator, Outcome, Rules
from tolva.rollup.finished import FinishedFiles
from tolva.rollup.folder import Folder, storage_errors
from tolva.rollup.names import Kind, part_numbers
from tolva.rollup.stream import Stream

DEFAULT_MAX_BYTES = 200 * 2**20
DEFAULT_MULTIPLIER = 2.0

_REMOVE_TRIES = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: what it built since it began, and the finished files that wait. ``ended``: END was seen."""

    parts: int = 0
    built_bytes: int = 0
    waiting_files: int = 0
    waiting_bytes: int = 0
    ended: bool = False


class Rollup:
    """The folder ``root/job_id``, where finished files become numbered parts. Says nothing of who writes the files.

    Any number of threads and processes may stream; one aggregates. Every process makes its own ``Rollup``.

    Args:
        root: where the jobs' folders are.
        job_id: the job's folder below it.
        prefix: what the parts' names begin with: ``Z9000_0001.ndjson``.
        max_bytes: the size cap of a part. A part is larger only when a single finished file is.
        multiplier: parts are built before END only while more than ``multiplier * max_bytes`` of a kind are finished.
        streaming: the name of the folder for files that are being written.
        finished: the name of the folder for files that are complete.
        gzip: streams write gzip files; the cap then is on the compressed size. Finished files are taken by their
            names, ``.gz`` or not, whatever this says.

    Raises:
        UsageError: a name or number that can't be worked with.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        job_id: str,
        prefix: str,
        max_bytes: int = DEFAULT_MAX_BYTES,
        multiplier: float = DEFAULT_MULTIPLIER,
        streaming: str = "streaming",
        finished: str = "finished",
        *,
        gzip: bool = False,
    ) -> None:
        for what, name in (("job_id", job_id), ("prefix", prefix), ("streaming", streaming), ("finished", finished)):
            if name in {"", ".", ".."} or "/" in name or "\0" in name:
                raise UsageError(f"{what} is {name!r}: give a plain name without '/'.")
        if streaming == finished:
            raise UsageError(f"streaming and finished are both {finished!r}: give them different names.")
        if max_bytes < 1 or not multiplier >= 0:
            raise UsageError(f"max_bytes is {max_bytes}, multiplier {multiplier}: they must be at least 1 and 0.")
        self.path = Path(root) / job_id
        self._rules = Rules(prefix, max_bytes, multiplier, streaming, finished)
        self._gzip = gzip
        self._files = FinishedFiles(finished, max_bytes)
        self._cancelled = threading.Event()

    def prepare(self) -> None:
        """Make the job's folders, those that aren't there yet. Writers may stream from now on, until ``finish``.

        Raises:
            StorageError: they can't be made.
        """
        with storage_errors(self.path):
            self._remove_trash()
            self._streaming.mkdir(parents=True, exist_ok=True)
            crash.point("rollup.prepare.after_streaming")
            # Second: an aggregator that saw finished/ alone would take it for END.
            self._finished.mkdir(exist_ok=True)
            crash.point("rollup.prepare.after_finished")
            _sync(self.path)
            _sync(self.path.parent)
        self._cancelled = threading.Event()

    def stream(self, errors: bool = False) -> Stream:
        """Open a stream for records, or for error records, which have files and numbers of their own.

        Raises:
            StateError: the job isn't prepared, or has ended.
        """
        kind = Kind(errors=errors, gzip=self._gzip)
        with storage_errors(self.path):
            return Stream(self._streaming, self._rules.finished, kind, self._rules.max_bytes, self._cancelled)

    def finish(self) -> None:
        """Mark END: remove ``streaming/``, with what killed writers left in it. Harmless when it is gone already.

        Raises:
            InputError: the job has no folder.
            StateError: a stream is still open, in whatever process.
        """
        if not self.path.exists():
            raise self._absent()
        with storage_errors(self.path):
            try:
                streaming = Folder(self._streaming)
            except FileNotFoundError:
                return
            with streaming:
                if not streaming.lock_alone():
                    raise StateError(f"{self._streaming} still has an open stream: close all streams, then finish.")
                for name in streaming.names():
                    crash.point("rollup.end.before_unlink")
                    streaming.unlink(name)
                crash.point("rollup.end.before_remove")
                self._streaming.rmdir()
                crash.point("rollup.end.before_folder_sync")
                _sync(self.path)
                crash.point("rollup.end.after_folder_sync")

    def aggregate(self) -> bool:
        """Take one step: build at most one part; return whether one was built.

        A step that a killed process left is finished or undone first. After END, when nothing is left, this removes
        ``finished/``.

        Raises:
            CancelledError: the job was cancelled.
            InputError: a finished file is damaged or changed; or the job has no folder.
            StateError: another aggregator is at work on this job.
            StorageError: the disk refused it. Nothing is lost.
        """
        with self._aggregator() as aggregator:
            return bool(aggregator.recover() or aggregator.step().built_bytes)

    def run(self, poll_seconds: float = 1.0, on_progress: Callable[[Progress], None] | None = None) -> int:
        """Aggregate until END was seen and nothing is left; return the number of parts built.

        Args:
            poll_seconds: how long to wait before looking again when there was nothing to do. Cancelling ends the wait.
            on_progress: called after every step.

        Raises:
            as ``aggregate``.
        """
        with self._aggregator() as aggregator:
            recovered_bytes = aggregator.recover()
            progress = Progress(parts=int(recovered_bytes > 0), built_bytes=recovered_bytes)
            while not self._cancelled.is_set():
                outcome = aggregator.step()
                progress = _add(progress, outcome)
                if on_progress is not None:
                    on_progress(progress)
                if outcome.built_bytes:
                    continue
                if outcome.ended:
                    break
                self._cancelled.wait(poll_seconds)
            aggregator.check()
        return progress.parts

    def is_done(self) -> bool:
        """Tell whether END was marked and all files are in parts."""
        return not self._streaming.exists() and not self._finished.exists() and self.path.exists()

    def parts(self) -> list[Path]:
        """Return the parts there are: data, then errors, in the order of their numbers."""
        with storage_errors(self.path):
            found = [entry.name for entry in self.path.iterdir()] if self.path.exists() else []
        names = part_numbers(self._rules.prefix, found)
        return [self.path / name for name in sorted(names, key=lambda name: (names[name][0].errors, names[name][1]))]

    def cancel(self) -> None:
        """Stop streams and aggregator, in whatever process, and remove the job's folder, parts included.

        They end with CancelledError, at their next record or block. On return the folder is gone. May be repeated.

        Raises:
            StorageError: the folder can't be removed.
        """
        self._cancelled.set()
        with storage_errors(self.path):
            crash.point("rollup.cancel.before_rename")
            with suppress(FileNotFoundError):
                self.path.rename(self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}.cancelled"))
            crash.point("rollup.cancel.before_remove")
            self._remove_trash()
            crash.point("rollup.cancel.before_folder_sync")
            if self.path.parent.exists():
                _sync(self.path.parent)

    @property
    def _streaming(self) -> Path:
        return self.path / self._rules.streaming

    @property
    def _finished(self) -> Path:
        return self.path / self._rules.finished

    @contextmanager
    def _aggregator(self) -> Iterator[Aggregator]:
        try:
            folder = Folder(self.path)
        except FileNotFoundError:
            raise self._absent() from None
        with folder:
            with storage_errors(self.path):
                locked = folder.lock_alone()
            if not locked:
                raise StateError(f"another aggregator is at work on {self.path}: let it go on, or stop it first.")
            with Aggregator(folder, self._rules, self._files, lambda: self._check(folder)) as aggregator:
                yield aggregator

    def _check(self, folder: Folder) -> None:
        if self._cancelled.is_set() or not folder.is_current():
            raise CancelledError(f"the roll-up of {self.path} was cancelled, and its folder removed.")

    def _absent(self) -> Exception:
        if self._cancelled.is_set():
            return CancelledError(f"the roll-up of {self.path} was cancelled, and its folder removed.")
        return InputError(f"there is no folder {self.path}: prepare the job first.")

    def _remove_trash(self) -> None:
        """Remove what cancelling took away, in this process or in one that was killed meanwhile."""
        for trash in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.cancelled"):
            # A stream or aggregator that hasn't noticed yet may add a file while the folder is being emptied.
            tries = 0
            while trash.exists():
                tries += 1
                shutil.rmtree(trash, ignore_errors=tries < _REMOVE_TRIES)


def roll_up(
    folder: str | os.PathLike[str],
    *,
    prefix: str,
    max_bytes: int = DEFAULT_MAX_BYTES,
    multiplier: float = DEFAULT_MULTIPLIER,
    poll_seconds: float = 1.0,
    on_progress: Callable[[Progress], None] | None = None,
) -> int:
    """Roll up a folder that any program fills, until it removes ``streaming/``; return the number of parts built.

    The program writes files into ``streaming/``, renames them into ``finished/`` when they are complete, under names
    it doesn't use twice, and removes ``streaming/`` at the end. Interrupting this harms nothing: it can be run again.

    Args:
        folder: the folder that holds ``streaming/`` and ``finished/``.
        prefix: see ``Rollup``, as for the next two.
        max_bytes: the size cap of a part.
        multiplier: how many caps must be finished for parts to be built before the end.
        poll_seconds: see ``Rollup.run``, as for the next.
        on_progress: called after every step.

    Raises:
        InputError: there is no such folder, or it holds neither of the two, nor parts.
        others: as ``Rollup.run``.
    """
    path = Path(folder).resolve()
    if not path.is_dir():
        raise InputError(f"there is no folder {path}: give the folder that your program fills.", folder=str(path))
    rollup = Rollup(path.parent, path.name, prefix, max_bytes, multiplier)
    if rollup.is_done() and not rollup.parts():
        raise InputError(f"{path} has neither streaming/ nor finished/ in it: give the folder that your program fills.")
    return rollup.run(poll_seconds, on_progress)


def _add(progress: Progress, outcome: Outcome) -> Progress:
    return Progress(
        parts=progress.parts + int(outcome.built_bytes > 0),
        built_bytes=progress.built_bytes + outcome.built_bytes,
        waiting_files=outcome.waiting_files,
        waiting_bytes=outcome.waiting_bytes,
        ended=outcome.ended,
    )


def _sync(folder: Path) -> None:
    with Folder(folder) as opened:
        opened.sync()
