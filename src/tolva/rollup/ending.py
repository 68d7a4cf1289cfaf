"""How a copied part comes to last and its inputs to go: sync, journal, rename, delete, in this order."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from tolva import crash
from tolva.errors import OutputError
from tolva.rollup import journal
from tolva.rollup.copying import PartFile
from tolva.rollup.finished import Identity
from tolva.rollup.folder import Folder
from tolva.rollup.journal import Step
from tolva.rollup.names import building

# Deleting waits for disks that discard freed blocks at once; together the waits take half the time.
_DELETERS = 4


class Ending:
    """Ends steps in the background, one at a time, so that the next part can be copied meanwhile.

    Args:
        folder: the job's folder, locked until this is closed.
        finished: the name of the folder with the inputs.
    """

    def __init__(self, folder: Folder, finished: str) -> None:
        self._folder = folder
        self._finished = finished
        self._runner = ThreadPoolExecutor(1, thread_name_prefix="rollup-end")
        self._deleters = ThreadPoolExecutor(_DELETERS, thread_name_prefix="rollup-delete")
        self._current: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._deleters, self._runner:
            self.wait()

    def begin(self, part: PartFile, step: Step) -> None:
        """Begin to make the part last, to give it its name and to delete its inputs. Closes ``part``."""
        self._current = self._runner.submit(self._end, part, step)

    def wait(self) -> None:
        """Wait until the step that was begun is over; raise what went wrong in it."""
        if self._current is not None:
            current, self._current = self._current, None
            current.result()

    def resume(self, step: Step) -> None:
        """Carry out what the journal says, whatever part of it is done.

        Raises:
            OutputError: there is something with the part's name that isn't this part.
        """
        if self._folder.stat(building(step.part)):
            if self._folder.stat(step.part):
                place = str(self._folder.path / step.part)
                raise OutputError(f"{place} is there already and isn't ours: move it away and run again.", file=place)
            crash.point("rollup.part.before_rename")
            self._folder.rename(building(step.part), step.part)
        crash.point("rollup.part.before_folder_sync")
        self._folder.sync()
        for _ in self._deleters.map(self._delete, step.inputs):
            pass
        crash.point("rollup.input.before_folder_sync")
        self._folder.sync(self._finished)
        crash.point("rollup.input.after_folder_sync")

    def _end(self, part: PartFile, step: Step) -> None:
        try:
            crash.point("rollup.part.before_sync")
            part.sync()
        finally:
            part.close()
        journal.write(self._folder, step)
        self.resume(step)

    def _delete(self, identity: Identity) -> None:
        path = f"{self._finished}/{identity.name}"
        stat = self._folder.stat(path)
        # Another file may have got the name since then.
        if stat and Identity.of(identity.name, stat) == identity:
            crash.point("rollup.input.before_unlink")
            self._folder.unlink(path)
