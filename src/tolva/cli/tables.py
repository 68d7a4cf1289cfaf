"""``tolva tables``: the stored tables of this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options

if TYPE_CHECKING:
    from tolva.backends import Backends
    from tolva.model import TableObject

app = typer.Typer(help="Stored tables: list, describe, drop.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The table.", metavar="NAME")]


@app.command("list")
def list_(state: options.State = None) -> None:
    """List the stored tables: name, records, bytes, version, when it was last changed.

    Example: tolva tables list
    """
    from tolva.jobs.run import CLIENT  # noqa: PLC0415 - keeps --help quick

    with _opened(state) as backends:
        for table in backends.catalog.tables(CLIENT):
            changed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(table.last_updated))
            print(f"{table.name}\t{table.records}\t{table.bytes}\t{table.version}\t{changed}")


@app.command()
def describe(name: Name, state: options.State = None) -> None:
    """Show a table's columns: name, type, and the least and greatest value where that is known.

    Example: tolva tables describe clientes
    """
    from tolva.jobs.run import CLIENT  # noqa: PLC0415 - keeps --help quick

    with _opened(state) as backends:
        table = backends.catalog.table(CLIENT, name)
        objects = backends.catalog.table_objects(table.id, table.version)
    things = f"{table.records:,} records in {len(objects):,} object{'' if len(objects) == 1 else 's'}"
    print(f"{table.name}: {things}, version {table.version}")
    if table.key:
        print(f"key: {', '.join(table.key)}")
    for column, kind in table.columns:
        bounds = _bounds(objects, column, kind)
        print(f"{column}\t{kind}{bounds and chr(9)}{bounds}")


@app.command()
def drop(name: Name, state: options.State = None) -> None:
    """Forget a table and delete its records.

    Example: tolva tables drop clientes
    """
    from tolva.jobs.run import CLIENT  # noqa: PLC0415 - keeps --help quick
    from tolva.jobs.stored import sweep  # noqa: PLC0415 - likewise

    with _opened(state) as backends:
        backends.catalog.drop_table(CLIENT, name)
        sweep(backends.catalog, backends.storage)


@contextmanager
def _opened(state: options.State) -> Iterator[Backends]:
    from tolva.config import connect  # noqa: PLC0415 - keeps --help quick

    backends = connect(options.settings(state, None))
    try:
        yield backends
    finally:
        backends.catalog.close()


def _bounds(objects: list[TableObject], column: str, kind: str) -> str:
    """Return the least and the greatest value of a column over all objects; empty if an object doesn't tell."""
    known = [each.bounds[column] for each in objects if column in each.bounds]
    if not known or len(known) < len(objects):
        return ""
    number = kind.endswith("INT") or kind == "INTEGER" or kind.startswith("DECIMAL")
    values = sorted((value for both in known for value in both), key=Decimal if number else str)
    return f"{values[0]} to {values[-1]}"
