"""``tolva rollup``: the files of any program, rolled up while they are written."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options
from tolva.cli.interrupt import interrupted_as
from tolva.errors import UsageError

if TYPE_CHECKING:
    from tolva.rollup import Progress

_LINE_SECONDS = 10.0
_TOO_MANY_MB = 2**40


def rollup(
    folder: Annotated[
        Path, typer.Argument(help="The folder with streaming/ and finished/ that a program fills.", metavar="DIR")
    ],
    prefix: Annotated[str, typer.Option(help="What the parts' names begin with.", metavar="NAME")],
    max_mb: Annotated[float, typer.Option(help="The size cap of a part; 1 MB is 2**20 bytes.", metavar="MB")] = 200,
    multiplier: Annotated[
        float, typer.Option(help="How many caps must be finished before a part is built.", metavar="N")
    ] = 2,
    quiet: options.Quiet = False,
) -> None:
    """Turn finished files into numbered parts of a known size, until the program that writes them is done.

    Example: tolva rollup out --prefix Z9000 --max-mb 200
    """
    if not 0 < max_mb < _TOO_MANY_MB:
        raise UsageError(f"--max-mb is {max_mb}: give the size cap of a part in MB, such as 200 or 0.5.")
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - keeps --help quick

    from tolva.rollup import roll_up  # noqa: PLC0415 - likewise

    with interrupted_as("Nothing is lost: the same command goes on from there."), _shown(quiet=quiet) as report:
        # In a thread of its own, so that an interrupt needn't wait for the disk: it is safe to be killed anywhere.
        thread = ThreadPoolExecutor(1, thread_name_prefix="rollup")
        parts = thread.submit(
            roll_up, folder, prefix=prefix, max_bytes=int(max_mb * 2**20), multiplier=multiplier, on_progress=report
        )
        thread.shutdown(wait=False)
        built = parts.result()
    typer.echo(f"{built} {'part' if built == 1 else 'parts'} built")


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show the progress that is reported inside the block: a line that changes on a terminal, else one now and then."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

        with Console(stderr=True).status("looking for finished files") as status:
            yield lambda progress: status.update(_line(progress))
    else:
        yield _Lines()


class _Lines:
    """One line every ten seconds, for logs."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            print(_line(progress), file=sys.stderr, flush=True)


def _line(progress: Progress) -> str:
    return (
        f"{progress.parts} parts with {progress.built_bytes / 2**20:,.0f} MB built, {progress.waiting_files:,} files "
        f"with {progress.waiting_bytes / 2**20:,.0f} MB {'left' if progress.ended else 'waiting for more'}"
    )
