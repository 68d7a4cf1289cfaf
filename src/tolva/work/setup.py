"""How a child process gets ready for tasks. Light: the parent imports this, and only the child what it leads to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tolva.storage import Storage

if TYPE_CHECKING:
    from tolva.work.children import Call


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """What every task of a child uses.

    Args:
        open_storage: opens the storage, in the child.
        memory_bytes: what its tasks may use; half of it is for DuckDB, which spills what doesn't fit, and half for
            what DuckDB is handed and leaves.
        threads: how many threads DuckDB may use.
        threads_alone: how many it may use for a task that is all there is of a query.
        spill: the folder in which each child has one of its own to spill to.
        kernels: where each kernel of a plan's stages is, as ``module:function``.
        nice: by how much other processes go before this one, such as the one that answers requests.
        disk_bytes: how much a child may spill, and the largest file it may write; None: half of what is free, and all.
        remote: whether the storage is behind the network. Else a child that runs users' SQL does without any.
    """

    open_storage: Callable[[], Storage]
    memory_bytes: int
    threads: int
    threads_alone: int
    spill: Path
    kernels: Mapping[str, str]
    remote: bool = True
    nice: int = 0
    disk_bytes: int | None = None

    def __call__(self) -> Call:
        """Put this process, the child, under its limits; open the storage and the engine."""
        from tolva.work.engine import Engine  # noqa: PLC0415 - loads DuckDB and Arrow, which the parent never needs
        from tolva.work.limits import Limits  # noqa: PLC0415 - likewise only of use in a child
        from tolva.work.task import Tasks  # noqa: PLC0415 - likewise

        os.nice(self.nice)
        # DuckDB makes its own folder in it, but none above that.
        self.spill.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self.spill).free
        Limits(self.memory_bytes, file_bytes=self.disk_bytes or free_bytes).apply()
        engine = Engine(
            memory_bytes=self.memory_bytes // 2,
            threads=self.threads,
            threads_alone=self.threads_alone,
            spill=self.spill / str(os.getpid()),
            spill_bytes=self.disk_bytes or free_bytes // 2,
            ahead=True,
        )
        return Tasks(self.open_storage(), self.kernels, engine, remote=self.remote)


def bury(spill: Path, pid: int) -> None:
    """Remove what a child that has ended left in the folder it spilled to."""
    shutil.rmtree(spill / str(pid), ignore_errors=True)


def bury_strangers(spill: Path) -> None:
    """Remove what children left whose parents were killed too; of those that live, nothing."""
    for folder in spill.glob("*"):
        if folder.name.isdigit() and not Path("/proc", folder.name).exists():
            bury(spill, int(folder.name))
