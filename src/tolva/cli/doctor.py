"""``tolva doctor``: is everything there that tolva needs, and if not, what to do."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from tolva.cli import options
from tolva.errors import StorageError, TolvaError

if TYPE_CHECKING:
    from tolva.config import Settings

_ENOUGH_BYTES = 2**30
_CLOCK_SECONDS = 2.0
_PROBE = b"tolva doctor"


def doctor(state: options.State = None) -> None:
    """Check each thing that tolva relies on, and say what to do about what is amiss.

    Example: tolva doctor
    """
    settings = options.settings(state, 1)
    checks: dict[str, Callable[[Settings], str]] = {"machine": _machine, "catalog": _catalog, "storage": _storage}
    if settings.cluster:
        checks["broker"] = _broker
    well = [_passes(name, check, settings) for name, check in checks.items()]
    if not all(well):
        raise typer.Exit(1)


def _passes(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    began = time.perf_counter()
    try:
        found = check(settings)
    except TolvaError as error:
        typer.echo(f"AMISS  {name}: {error.message}")
        return False
    typer.echo(f"ok     {name}: {found} ({(time.perf_counter() - began) * 1000:.0f} ms)")
    return True


def _machine(settings: Settings) -> str:
    from tolva.machine import machine  # noqa: PLC0415 - keeps --help quick

    here = machine()
    free = shutil.disk_usage(settings.state).free
    if free < _ENOUGH_BYTES:
        raise StorageError(f"only {free / 2**20:,.0f} MB are free where {settings.state} is. Free space: tasks spill.")
    return f"{here.processors} processors, {here.memory_bytes / 2**30:.1f} GB, {free / 2**30:.1f} GB free to spill"


def _catalog(settings: Settings) -> str:
    from dataclasses import replace  # noqa: PLC0415 - keeps --help quick

    from tolva.config import connect  # noqa: PLC0415 - likewise

    catalog = connect(replace(settings, patience_seconds=3.0)).catalog
    try:
        workers, jobs = catalog.fleet(), catalog.counts().jobs
    finally:
        catalog.close()
    return f"{sum(jobs.values())} jobs, {len(workers)} workers of a fleet"


def _storage(settings: Settings) -> str:
    from tolva.config import open_storage  # noqa: PLC0415 - keeps --help quick

    storage = open_storage(settings)()
    key = f"doctor/{secrets.token_hex(8)}"
    first, second = storage.put_new(key, _PROBE), storage.put_new(key, b"other")
    kept = bytes(storage.get(key)[0])
    storage.delete([key])
    if (first, second, kept) != (True, False, _PROBE):
        raise StorageError(
            "the storage doesn't keep to put-if-absent: a second write replaced the first. "
            "Use an S3 server with conditional writes (If-None-Match)."
        )
    return "writes, reads, put-if-absent and deletes work"


def _broker(settings: Settings) -> str:
    from tolva.config import fleet_dispatcher  # noqa: PLC0415 - keeps --help quick
    from tolva.plan import Role  # noqa: PLC0415 - likewise

    dispatcher = fleet_dispatcher(settings.cluster) if settings.cluster else None
    waiting = {role: dispatcher.waiting(role) if dispatcher else None for role in Role}
    if None in waiting.values():
        raise TolvaError(
            "the broker can't be reached or refused to make its queues. See that it runs, that TOLVA_BROKER is right, "
            "and that RabbitMQ is 3.10 or newer (quorum queues)."
        )
    return ", ".join(f"{count} messages for {role}" for role, count in waiting.items())
