"""Options that several commands share, and the settings they make.

Each comes from its flag, else from ``TOLVA_*`` in the environment, else from ``tolva.toml``, else from its default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.errors import UsageError

if TYPE_CHECKING:
    from tolva.config import Places, Settings

_UNITS = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

_PANEL = "Where and how much"


def size(text: str) -> int:
    """Read ``64MB`` or ``1048576`` as bytes (1 MB is 2**20 bytes)."""
    compact = text.strip().upper().replace(" ", "")
    digits = compact.rstrip("BKMGI")
    unit = _UNITS.get(compact[len(digits) :])
    if unit is None or not digits.replace(".", "", 1).isdigit() or float(digits) * unit < 1:
        raise typer.BadParameter(f"{text!r} is not a size such as 64MB, 1.5GB or 1048576")
    return int(float(digits) * unit)


State = Annotated[
    Path | None,
    typer.Option(
        envvar="TOLVA_STATE", help="Folder for the catalog and work in progress.", rich_help_panel=_PANEL, metavar="DIR"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        envvar="TOLVA_WORKERS", min=1, help="Child processes; default: the cores there are.", rich_help_panel=_PANEL
    ),
]
ChunkSize = Annotated[
    str,
    typer.Option("--chunk", envvar="TOLVA_CHUNK", help="Size of a chunk.", rich_help_panel=_PANEL, metavar="SIZE"),
]
Memory = Annotated[
    str,
    typer.Option(
        envvar="TOLVA_MEMORY",
        help="Memory for all tasks together; auto: 2 GB each, if three fifths of the memory there is suffice.",
        rich_help_panel=_PANEL,
        metavar="SIZE",
    ),
]
TaskSeconds = Annotated[
    float | None,
    typer.Option(
        envvar="TOLVA_TASK_SECONDS",
        min=0,
        help="Stop a task that runs longer; 0: none is.",
        rich_help_panel=_PANEL,
        metavar="SECONDS",
    ),
]
LeaseSeconds = Annotated[
    float,
    typer.Option(
        envvar="TOLVA_LEASE_SECONDS",
        min=1.0,
        help="How long a silent worker keeps its task.",
        rich_help_panel=_PANEL,
        metavar="SECONDS",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]

CHUNK = "32MB"
MEMORY = "auto"
LEASE_SECONDS = 15.0

_TASK_BYTES = 2 * 2**30
_SHARE = 0.6
"""Of the memory there is; the rest is for the files that the system keeps at hand, and for others."""


_SMALL_CHUNK = "2MB"
"""With less memory than ``SMALL_BYTES``, one child and small chunks are what fits, unless something else is said."""


def settings(
    state: Path | None,
    workers: int | None,
    chunk: str = CHUNK,
    memory: str = MEMORY,
    task_seconds: float | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Settings:
    """Put the options together; UsageError if the state folder can't be used.

    What wasn't said comes from what the container (else the machine) has.
    """
    from tolva.config import SMALL_BYTES, Settings, default_state  # noqa: PLC0415 - keeps --help quick
    from tolva.machine import machine  # noqa: PLC0415 - likewise

    folder = state or default_state()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The state folder {folder} can't be made: {error.strerror}. Give another with --state or TOLVA_STATE."
        ) from None
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The state folder {folder} can't be written. Give another with --state or TOLVA_STATE.")
    here = machine()
    small = memory != MEMORY and size(memory) < SMALL_BYTES
    workers = workers or (1 if small else here.processors)
    share = min(_TASK_BYTES, int(here.memory_bytes * _SHARE) // workers)
    return Settings(
        state=folder.resolve(),
        workers=workers,
        chunk_bytes=size(_SMALL_CHUNK if small and chunk == CHUNK else chunk),
        memory_bytes=share * workers if memory == MEMORY else size(memory),
        lease_seconds=lease_seconds,
        task_seconds=task_seconds or None,
        cluster=_cluster(),
        max_attempts=_max_attempts(),
    )


def _cluster() -> Places | None:
    """Return where the fleet's servers are, None if nothing is said of any.

    By environment alone: the URLs hold passwords, and a command line can be seen by everybody on the machine.
    """
    from tolva.config import Places  # noqa: PLC0415 - keeps --help quick

    names = ("TOLVA_DATABASE", "TOLVA_BROKER", "TOLVA_BUCKET")
    missing = [name for name in names if not os.environ.get(name)]
    if len(missing) == len(names):
        return None
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be set too: a fleet needs a database, a broker and a bucket.")
    database, broker, bucket = (os.environ[name] for name in names)
    return Places(database, broker, bucket, os.environ.get("TOLVA_FLEET", "tolva"))


def _max_attempts() -> int:
    """Return how often a task is tried; machines that come and go a lot need more than the default."""
    text = os.environ.get("TOLVA_MAX_ATTEMPTS", "3")
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"TOLVA_MAX_ATTEMPTS must be a number from 1, not {text!r}.")
    return int(text)
