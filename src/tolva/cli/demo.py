"""``tolva demo``: coffee data, four questions, answers to look at."""

from __future__ import annotations

import csv
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tolva.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from tolva.jobs.run import Finished

_SHOWN_RECORDS = 6

_TITLES = {
    "q1": "1. Transactions of 75 or more, between 06:00 and 23:00",
    "q2_quantity": "2a. The item sold most often in each month",
    "q2_profit": "2b. The item that brought in most in each month",
    "q3": "3. What each store took in each half-year, between 06:00 and 23:00",
    "q4": "4. The birthdates of each store's 3 most frequent customers",
}


def demo(
    transactions: Annotated[int, typer.Option(min=1, help="How many transactions to make.")] = 1_000_000,
    data: Annotated[
        Path | None, typer.Option(help="Take the coffee data in this folder instead of making it.", metavar="DIR")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results.", metavar="DIR")] = Path("tolva-demo/results"),
    quiet: options.Quiet = False,
    state: options.State = None,
    workers: options.Workers = None,
    chunk: options.ChunkSize = options.CHUNK,
    memory: options.Memory = options.MEMORY,
) -> None:
    """Make coffee-shop sales, answer four questions about them, and show the answers.

    Example: tolva demo --transactions 200000
    """
    from tolva.cli.house import runner  # noqa: PLC0415 - keeps --help quick

    folder = data or _made(transactions)
    with runner(options.settings(state, workers, chunk, memory)) as job_run:
        from tolva.cli.progress import shown_progress  # noqa: PLC0415 - while the children get ready
        from tolva.coffee import four_questions  # noqa: PLC0415 - likewise
        from tolva.jobs.documents import parse  # noqa: PLC0415 - likewise

        document = parse(four_questions(), "four_questions.yaml")
        with shown_progress(quiet=quiet) as report:
            finished = job_run.execute(document, folder, output, resume=False, report=report)
    _show(finished, output)


def _made(transactions: int) -> Path:
    from tolva.coffee.generate import generate  # noqa: PLC0415 - only when there is no data yet

    folder = Path("tolva-demo") / f"data-{transactions}"
    print(f"Coffee data of {transactions:,} transactions: {folder}", file=sys.stderr)
    generate(folder, transactions=transactions)
    return folder


def _show(finished: Finished, output: Path) -> None:
    from rich.console import Console  # noqa: PLC0415 - after the work

    console = Console()
    for name, title in _TITLES.items():
        timing = finished.timings[name]
        _show_answer(console, title, output, [p for p in finished.manifest["output"] if p["query"] == name])
        rate = timing.records_read / max(timing.seconds, 1e-9)
        console.print(f"  {timing.seconds:.2f} s, {timing.records_read:,} rows read, {rate:,.0f} rows/s\n", style="dim")
    total = finished.progress
    console.print(
        f"All of it: {total.records_done:,} rows, {total.bytes_done / 2**20:,.0f} MB in {finished.seconds:.2f} s. "
        "Every table was read once for all questions."
    )
    console.print(f"Result files: {output}{'' if output.is_absolute() else f'  ({output.resolve()})'}", soft_wrap=True)


def _show_answer(console: Console, title: str, output: Path, parts: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - after the work

    with (output / parts[0]["name"]).open(encoding="utf-8", newline="") as file:
        records = csv.reader(file)
        table = Table(*next(records), title=title, title_justify="left", title_style="bold")
        for record in islice(records, _SHOWN_RECORDS):
            table.add_row(*record)
    more = sum(part["records"] for part in parts) - table.row_count
    console.print(table)
    if more:
        console.print(f"  and {more:,} more", style="dim")
