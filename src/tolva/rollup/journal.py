"""The journal: the step under way, and the last number of every series. One small file, replaced in one rename."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from tolva import crash
from tolva.rollup.finished import Identity
from tolva.rollup.folder import Folder
from tolva.rollup.names import building

_NAME = ".rollup.json"


@dataclass(frozen=True, slots=True)
class Step:
    """One part and the files it is made of; ``numbers`` has the last number of every series, this part's included."""

    part: str
    inputs: tuple[Identity, ...]
    numbers: dict[str, int]


def read(folder: Folder) -> Step | None:
    """Return the last step that was written, or None when there was none."""
    try:
        fd = folder.open(_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, encoding="utf-8") as file:
        value = json.load(file)
    return Step(value["part"], tuple(Identity(*row) for row in value["inputs"]), value["numbers"])


def write(folder: Folder, step: Step) -> None:
    """Replace the journal. On return it is durable, and so is the name of the hidden file that it speaks of."""
    temporary = building(_NAME)
    crash.point("rollup.journal.before_create")
    fd = folder.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        crash.point("rollup.journal.before_write")
        json.dump({"part": step.part, "inputs": step.inputs, "numbers": step.numbers}, file)
        file.flush()
        crash.point("rollup.journal.before_sync")
        os.fsync(file.fileno())
    crash.point("rollup.journal.before_rename")
    folder.rename(temporary, _NAME)
    crash.point("rollup.journal.before_folder_sync")
    folder.sync()


def remove(folder: Folder) -> None:
    """Delete the journal, if it is there."""
    crash.point("rollup.journal.before_unlink")
    folder.unlink(_NAME)
    crash.point("rollup.journal.after_unlink")
