"""How a child process gets ready for tasks. Light: the parent imports this, and only the child what it leads to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tolva.storage import Storage

if TYPE_CHECKING:
    from tolva.work.children import Call


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """What every task of a child uses: storage; memory and threads for its engine, and a folder to spill to.

    ``kernels`` says where each kernel of a plan's stages is, as ``module:function``.
    """

    open_storage: Callable[[], Storage]
    memory_bytes: int
    threads: int
    spill: Path
    kernels: Mapping[str, str]

    def __call__(self) -> Call:
        """Open the storage and the engine, in the child."""
        from tolva.work.task import Tasks  # noqa: PLC0415 - loads DuckDB and Arrow, which the parent never needs

        spill = self.spill / str(os.getpid())
        return Tasks(
            self.open_storage(), self.kernels, memory_bytes=self.memory_bytes, threads=self.threads, spill=spill
        )
