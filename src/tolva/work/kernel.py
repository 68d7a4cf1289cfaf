"""What does a task's own work: from a claim to what it leaves. One kernel for each ``Stage.kernel``.

The frame around it (``task``) is the same for all: children, leases, commits and errors are none of a kernel's concern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from tolva import formats
from tolva.errors import StateError
from tolva.formats.stored import Stored
from tolva.model import Chunk, Claim, Done, File
from tolva.plan import Input, Plan, Reads, Stage
from tolva.storage import Storage
from tolva.work import partials
from tolva.work.engine import Engine


@dataclass(frozen=True, slots=True)
class Errand:
    """One task as a kernel sees it, with its tools.

    Everything it writes has a key below ``prefix`` or ``table_prefix``, which no other attempt uses.
    """

    plan: Plan
    stage: Stage
    claim: Claim
    storage: Storage
    engine: Engine

    @property
    def prefix(self) -> str:
        """Where this attempt's objects go."""
        return self.claim.prefix

    @property
    def table_prefix(self) -> str:
        """Where this attempt's objects of stored tables go; what no table comes to have of it is swept up later."""
        return f"tables/{self.prefix.removeprefix('jobs/')}"

    def read(self, given: Input) -> list[pa.Table]:
        """Return what earlier tasks left for this one, table after table in the order of those tasks."""
        partitions = None if given.reads is Reads.ALL else self.claim.partitions
        return partials.read(self.storage, self.claim.partials, given.output, partitions)

    def chunk(self) -> tuple[File, Chunk, Stored | None]:
        """Return a scan task's chunk, its file, and where its bytes are if not in the file itself."""
        file, chunk = self.claim.file, self.claim.chunk
        if file is None or chunk is None:
            task_id = self.claim.task_id
            raise StateError(f"The scan task {task_id} was claimed without its chunk.", task=task_id)
        return file, chunk, Stored(self.storage, chunk.key) if chunk.key else None

    def source(self) -> tuple[File, Chunk, Stored | None]:
        """Return what of a scan task's chunk can matter to the stage, as ``chunk`` does."""
        file, chunk, stored = self.chunk()
        tests = [output.tests for output in self.stage.outputs]
        return file, formats.narrow(file, chunk, self._types(file), tests, stored), stored

    def rows(self) -> pa.Table:
        """Return the columns of a scan task's chunk that the stage needs."""
        file, chunk, stored = self.source()
        return formats.read(file, chunk, self._types(file), self.stage.columns, stored)

    def _types(self, file: File) -> dict[str, str]:
        return {column.name: column.type for column in self.plan.tables[file.table]}


class Kernel(Protocol):
    """Does one task."""

    def __call__(self, errand: Errand) -> Done:
        """Do the task's work and store what it leaves; TolvaError says why not. The frame fills in ``seconds``."""
        ...
