"""Progress on stderr: a live bar on a terminal, a quiet line now and then otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tolva.model import Progress

Report = Callable[[Progress], None]

_LINE_SECONDS = 10.0

_EXPORT = "export"
"""The kind of jobs whose input is keys: a few bytes each, and slow, so that megabytes would say nothing."""


_EXPORTING = {"fetch": "fetching", "check": "composing", "compose": "composing"}
"""What an export does in stages of these names; those before are of the query that chooses keys."""


@contextmanager
def shown_progress(*, quiet: bool, doing: str | None = None, kind: str | None = None) -> Iterator[Report]:
    """Show the progress that is reported inside the block; ``doing`` is the word for it, else the stages tell.

    ``kind`` is that of the job: an export counts keys, all others megabytes and records.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(doing, kind) as report:
            yield report
    else:
        yield _Lines(doing, kind)


@contextmanager
def _bar(doing: str | None, kind: str | None) -> Iterator[Report]:
    from rich import progress as rich  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - likewise

    megabytes = (rich.DownloadColumn(binary_units=True), rich.TransferSpeedColumn())
    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        *(() if kind == _EXPORT else megabytes),
        *(() if doing else (rich.TextColumn("{task.fields[records]} " + ("keys" if kind == _EXPORT else "records")),)),
        rich.TimeRemainingColumn(compact=True),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("getting ready", total=None, records="0")

        def report(progress: Progress) -> None:
            bar.update(
                task,
                description=doing or phase(progress, kind),
                total=progress.bytes_total,
                completed=progress.bytes_done,
                records=f"{_fetched(progress) if kind == _EXPORT else progress.records_done:,}",
            )

        yield report


class _Lines:
    """One line every ten seconds, for logs."""

    def __init__(self, doing: str | None, kind: str | None) -> None:
        self._doing = doing
        self._kind = kind
        self._started = self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            doing = self._doing or phase(progress, self._kind)
            amounts = (_keys if self._kind == _EXPORT else _megabytes)(progress, now - self._started)
            print(f"{doing}: {amounts}", file=sys.stderr, flush=True)


def _keys(progress: Progress, seconds: float) -> str:
    done = _fetched(progress)
    return f"{done:,} keys, {done / seconds:,.0f} keys/s"


def _fetched(progress: Progress) -> int:
    return sum(stage.records for stage in progress.stages if stage.name == "fetch")


def _megabytes(progress: Progress, seconds: float) -> str:
    done, total = progress.bytes_done / 2**20, progress.bytes_total / 2**20
    # What is only sent has no stages yet, and is bytes, not records.
    records = f"{progress.records_done:,} records, " if progress.stages else ""
    return f"{done:,.0f} of {total:,.0f} MB, {records}{done / seconds:,.0f} MB/s"


def phase(progress: Progress, kind: str | None = None) -> str:
    """Return the word for what is going on: the role of the earliest stage with work left."""
    for stage in progress.stages:
        if not stage.ended or stage.done < stage.created:
            if kind == _EXPORT:
                return _EXPORTING.get(stage.name.partition(" ")[0], "choosing keys")
            return {"scan": "scanning", "reduce": "reducing", "finish": "finishing"}[stage.role]
    return "delivering"
