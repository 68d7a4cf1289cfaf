"""The aggregator's step, and its recovery: the one place that turns finished files into parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from types import TracebackType
from typing import Self

from tolva import crash
from tolva.errors import InputError
from tolva.fit import best_fit
from tolva.rollup import journal
from tolva.rollup.copying import PartFile
from tolva.rollup.ending import Ending
from tolva.rollup.finished import FinishedFile, FinishedFiles, Identity
from tolva.rollup.folder import Folder, storage_errors
from tolva.rollup.journal import Step
from tolva.rollup.names import building, is_building, part_name, part_numbers, series_of


@dataclass(frozen=True, slots=True)
class Rules:
    """What a roll-up keeps to; see ``Rollup`` for the meaning of each."""

    prefix: str
    max_bytes: int
    multiplier: float
    streaming: str
    finished: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did and what it saw: ``built_bytes`` is 0 when there was no part to build."""

    built_bytes: int
    waiting_files: int
    waiting_bytes: int
    ended: bool


class Aggregator:
    """Builds parts in a job's folder that the caller has locked, and goes on holding until this is closed.

    A part is ended (synced, named, its inputs deleted) while the next one is being copied: that mostly waits for the
    disk. So a part may get its name after its step, but before the next step's does, and before this is closed.

    Args:
        folder: the job's folder.
        rules: the rules to keep to.
        files: the finished files, with what is known of them from earlier steps.
        check: called often; raises when the work must stop.
    """

    def __init__(self, folder: Folder, rules: Rules, files: FinishedFiles, check: Callable[[], None]) -> None:
        self._folder = folder
        self._rules = rules
        self._files = files
        self._left: list[FinishedFile] = []
        self._numbers: dict[str, int] | None = None
        self._ending = Ending(folder, rules.finished)
        self.check = check

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._named_errors(), self._ending:
            pass

    def recover(self) -> int:
        """Finish or undo the step that a dead process left; return the bytes of the part that this made, or 0."""
        with self._named_errors():
            return self._recover()

    def step(self) -> Outcome:
        """Build the next part if the rules ask for one; after END, tidy up when nothing is left.

        Raises:
            InputError: a finished file is damaged or changed, or something in the folder isn't a file.
            OutputError: there is something with the next part's name.
            StorageError: the disk refused it. Nothing is lost.
        """
        with self._named_errors():
            return self._step()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            with storage_errors(self._folder.path):
                yield
        except Exception:
            # Whatever goes wrong in a folder that was taken away, that is the reason.
            self.check()
            raise

    def _recover(self) -> int:
        step = journal.read(self._folder)
        made = self._folder.stat(building(step.part)) if step else None
        if step:
            self._ending.resume(step)
        for name in filter(is_building, self._folder.names()):
            crash.point("rollup.undo.before_unlink")
            self._folder.unlink(name)
            crash.point("rollup.undo.after_unlink")
        return made.st_size if made else 0

    def _step(self) -> Outcome:
        # END is looked for first: whatever was closed before it is then sure to be among the files.
        ended = self._folder.stat(self._rules.streaming) is None
        files = self._left or self._find()
        chosen = self._choose(files, ended=ended)
        if chosen:
            self._build(chosen)
        elif ended:
            self._tidy()
        taken = set(chosen)
        left = [file for file in files if file not in taken]
        # After END no file is added, so that the folder needn't be read again for every part.
        self._left = left if ended else []
        return Outcome(_room_bytes(chosen), len(left), _total_bytes(left), ended)

    def _find(self) -> list[FinishedFile]:
        self._ending.wait()
        return self._files.find(self._folder, self.check)

    def _choose(self, files: Sequence[FinishedFile], *, ended: bool) -> list[FinishedFile]:
        threshold_bytes = self._rules.multiplier * self._rules.max_bytes
        for _, group in groupby(sorted(files, key=attrgetter("kind")), key=attrgetter("kind")):
            same_kind = list(group)
            if ended or _total_bytes(same_kind) > threshold_bytes:
                return best_fit(same_kind, self._rules.max_bytes)
        return []

    def _build(self, chosen: Sequence[FinishedFile]) -> None:
        kind = chosen[0].kind
        numbers = self._numbers or self._last_numbers()
        series = series_of(self._rules.prefix, kind)
        number = numbers.get(series, 0) + 1
        part = part_name(self._rules.prefix, number, kind)
        crash.point("rollup.part.before_create")
        copy = PartFile(self._folder.open(building(part), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), self.check)
        try:
            for file in chosen:
                crash.point("rollup.part.before_copy")
                self._copy(file, copy)
            # The journal has room for one step: one that failed must stay there, to be resumed.
            self._ending.wait()
        except BaseException:
            copy.close()
            self._folder.unlink(building(part))
            raise
        self._numbers = {**numbers, series: number}
        step = Step(part, tuple(file.identity for file in chosen), self._numbers)
        self._ending.begin(copy, step)

    def _last_numbers(self) -> dict[str, int]:
        """Return the last number of every series, by the journal and by the parts that are there."""
        last = journal.read(self._folder)
        numbers = dict(last.numbers) if last else {}
        for kind, number in part_numbers(self._rules.prefix, self._folder.names()).values():
            series = series_of(self._rules.prefix, kind)
            numbers[series] = max(number, numbers.get(series, 0))
        return numbers

    def _copy(self, file: FinishedFile, part: PartFile) -> None:
        source = self._folder.open(f"{self._rules.finished}/{file.name}", os.O_RDONLY)
        try:
            whole = part.append_file(source, file.size_bytes)
            if not whole or Identity.of(file.name, os.fstat(source)) != file.identity:
                path = self._folder.path / self._rules.finished / file.name
                raise InputError(
                    f"{path} changed while it was rolled up: write files elsewhere and rename them into the folder "
                    "when they are complete. No part was made of it; run again.",
                    file=str(path),
                )
        finally:
            os.close(source)
        if file.newline:
            crash.point("rollup.part.before_newline")
            part.append(file.newline)

    def _tidy(self) -> None:
        if others := self._files.others(self._folder):
            place = str(self._folder.path / self._rules.finished / others[0])
            raise InputError(
                f"{place} is hidden or not a file, so it isn't rolled up: move it away and run again.", file=place
            )
        journal.remove(self._folder)
        crash.point("rollup.finished.before_remove")
        self._folder.remove_folder(self._rules.finished)
        crash.point("rollup.finished.before_folder_sync")
        self._folder.sync()
        crash.point("rollup.finished.after_folder_sync")


def _total_bytes(files: Sequence[FinishedFile]) -> int:
    return sum(file.size_bytes for file in files)


def _room_bytes(files: Sequence[FinishedFile]) -> int:
    return sum(file.room_bytes for file in files)
