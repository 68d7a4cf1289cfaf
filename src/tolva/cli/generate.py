"""``tolva generate``: data to try things with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make data to try things with.", no_args_is_help=True)


@app.command()
def coffee(
    folder: Annotated[Path, typer.Argument(help="Folder for the files.", metavar="DIR")],
    transactions: Annotated[int, typer.Option(min=1, help="How many transactions.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Other seeds make other data; the same makes the same.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="Full size: 14.6 million transactions, 3.2 GB.")] = False,
) -> None:
    """Make coffee-shop sales (transactions, items, users, stores, menu), and the job document of the four questions.

    Example: tolva generate coffee coffee --transactions 1000000
    """
    from tolva.coffee import four_questions  # noqa: PLC0415 - keeps --help quick
    from tolva.coffee.generate import generate  # noqa: PLC0415 - keeps --help quick

    made = generate(folder, transactions=transactions, seed=seed, full=full)
    (folder / "four_questions.yaml").write_text(four_questions(), encoding="utf-8")
    print(
        f"{folder}: {made.transactions:,} transactions, {made.items:,} items, {made.users:,} users "
        f"in {made.files} files, {made.bytes / 2**20:,.0f} MB; "
        f"run: tolva run {folder}/four_questions.yaml --data {folder}",
        file=sys.stderr,
    )


@app.command()
def clients(
    folder: Annotated[Path, typer.Argument(help="Folder for the files.", metavar="DIR")],
    rows: Annotated[int, typer.Option(min=1, help="How many clients.")] = 100_000,
    dirty: Annotated[float, typer.Option(min=0, max=1, help="The part of them that is dirty.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Other seeds make other data; the same makes the same.")] = 0,
) -> None:
    """Make a daily client file with the dirt that comes with it, and a job document that loads it.

    Example: tolva generate clients clients --rows 100000 --dirty 0.2
    """
    from tolva.clients.generate import generate  # noqa: PLC0415 - keeps --help quick

    made = generate(folder, rows=rows, dirty=dirty, seed=seed)
    print(
        f"{folder}: {made.rows:,} clients, {made.dirty:,} of them dirty, {made.bytes / 2**20:,.0f} MB; "
        f"run: tolva ingest --document {folder}/clients.yaml",
        file=sys.stderr,
    )


@app.command()
def claims(
    folder: Annotated[Path, typer.Argument(help="Folder for the files.", metavar="DIR")],
    rows: Annotated[int, typer.Option(min=1, help="How many beneficiaries.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Other seeds make other data; the same makes the same.")] = 0,
) -> None:
    """Make beneficiaries, and a job document that exports their claims.

    Example: tolva generate claims claims --rows 85
    """
    from tolva.export.example import generate  # noqa: PLC0415 - keeps --help quick

    generate(folder, rows=rows, seed=seed)
    print(f"{folder}: {rows:,} beneficiaries; run: tolva run {folder}/claims.yaml --data {folder}", file=sys.stderr)
