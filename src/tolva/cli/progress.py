"""Progress on stderr: a live bar on a terminal, a quiet line now and then otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tolva.model import Progress

Report = Callable[[Progress], None]

_LINE_SECONDS = 10.0


@contextmanager
def shown_progress(*, quiet: bool, doing: str | None = None) -> Iterator[Report]:
    """Show the progress that is reported inside the block; ``doing`` is the word for it, else the stages tell."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(doing) as report:
            yield report
    else:
        yield _Lines(doing)


@contextmanager
def _bar(doing: str | None) -> Iterator[Report]:
    from rich import progress as rich  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - likewise

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(binary_units=True),
        rich.TransferSpeedColumn(),
        rich.TextColumn("{task.fields[records]} records"),
        rich.TimeRemainingColumn(compact=True),
    )
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("getting ready", total=None, records="0")

        def report(progress: Progress) -> None:
            bar.update(
                task,
                description=doing or phase(progress),
                total=progress.bytes_total,
                completed=progress.bytes_done,
                records=f"{progress.records_done:,}",
            )

        yield report


class _Lines:
    """One line every ten seconds, for logs."""

    def __init__(self, doing: str | None) -> None:
        self._doing = doing
        self._started = self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            rate = progress.bytes_done / (now - self._started) / 2**20
            doing = self._doing or phase(progress)
            line = (
                f"{doing}: {progress.bytes_done / 2**20:,.0f} of {progress.bytes_total / 2**20:,.0f} MB, "
                f"{progress.records_done:,} records, {rate:,.0f} MB/s"
            )
            print(line, file=sys.stderr, flush=True)


def phase(progress: Progress) -> str:
    """Return the word for what is going on: the role of the earliest stage with work left."""
    for stage in progress.stages:
        if not stage.ended or stage.done < stage.created:
            return {"scan": "scanning", "reduce": "reducing", "finish": "finishing"}[stage.role]
    return "delivering"
