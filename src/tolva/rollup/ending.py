"""How a copied part comes to last and its inputs to go: sync, journal, rename, delete, in this order."""

from __future__ import annotations

from tolva import crash
from tolva.errors import OutputError
from tolva.rollup import journal
from tolva.rollup.copying import PartFile
from tolva.rollup.finished import Identity
from tolva.rollup.folder import Folder
from tolva.rollup.journal import Step
from tolva.rollup.names import building


def end_step(folder: Folder, finished: str, part: PartFile, step: Step) -> None:
    """Make the part last, give it its name and delete its inputs. Closes ``part``."""
    try:
        crash.point("rollup.part.before_sync")
        part.sync()
    finally:
        part.close()
    journal.write(folder, step)
    resume_step(folder, finished, step)


def resume_step(folder: Folder, finished: str, step: Step) -> None:
    """Carry out what the journal says, whatever part of it is done.

    Raises:
        OutputError: there is something with the part's name that isn't this part.
    """
    if folder.stat(building(step.part)):
        if folder.stat(step.part):
            place = str(folder.path / step.part)
            raise OutputError(f"{place} is there already and isn't ours: move it away and run again.", file=place)
        crash.point("rollup.part.before_rename")
        folder.rename(building(step.part), step.part)
    crash.point("rollup.part.before_folder_sync")
    folder.sync()
    for identity in step.inputs:
        path = f"{finished}/{identity.name}"
        stat = folder.stat(path)
        # Another file may have got the name since then.
        if stat and Identity.of(identity.name, stat) == identity:
            crash.point("rollup.input.before_unlink")
            folder.unlink(path)
    crash.point("rollup.input.before_folder_sync")
    folder.sync(finished)
    crash.point("rollup.input.after_folder_sync")
