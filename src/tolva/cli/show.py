"""Records as a table on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tolva.plan import Column

_MAX_SHOWN = 40
_FRAME = 3
"""What a column takes besides its values: a line and a space on each side."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_OTHER_NUMBERS = ("UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


def print_records(lines: Iterable[bytes], columns: Sequence[Column]) -> None:
    """Print the first records of NDJSON ``lines``, and how many more there are.

    As a table, or one below the other where its words would have to be cut.
    """
    shown: list[list[Text]] = []
    count = 0
    for count, line in enumerate(lines, start=1):
        if count <= _MAX_SHOWN:
            shown.append([_cell(value) for _, value in _members(line)])
    console = Console()
    widths = _widths([[Text(column.name) for column in columns], *shown], console.width - _FRAME * len(columns) - 1)
    if widths is not None:
        console.print(_table(columns, widths, shown))
    else:
        for number, record in enumerate(shown, start=1):
            console.rule(f"row {number}", align="left", style="dim")
            console.print(_upright(columns, record))
    more = f" ({count - _MAX_SHOWN:,} not shown; -o csv prints all)" if count > _MAX_SHOWN else ""
    console.print(f"{count:,} {'row' if count == 1 else 'rows'}{more}", style="dim")


def _widths(rows: Iterable[Sequence[Text]], room: int) -> list[int] | None:
    """Return the widths of columns that together have so much room; None where a word would have to be cut.

    rich by itself makes the widest column narrow first, be its words as long as they may.
    """
    columns = list(zip(*rows, strict=True))
    least = [max(cell_len(word) for cell in cells for word in cell.plain.split() or [""]) for cells in columns]
    wished = [max(cell.cell_len for cell in cells) - width for cells, width in zip(columns, least, strict=True)]
    spare = room - sum(least)
    if spare < 0:
        return None
    share = min(1.0, spare / (sum(wished) or 1))
    return [width + int(wish * share) for width, wish in zip(least, wished, strict=True)]


def _table(columns: Sequence[Column], widths: Sequence[int], records: Iterable[Sequence[Text]]) -> Table:
    table = Table()
    for column, width in zip(columns, widths, strict=True):
        numeric = column.type.startswith(_NUMBERS + _OTHER_NUMBERS) and not column.type.endswith("]")
        table.add_column(Text(column.name), justify="right" if numeric else "left", width=width)
    for record in records:
        table.add_row(*record)
    return table


def _upright(columns: Sequence[Column], record: Sequence[Text]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for column, value in zip(columns, record, strict=True):
        grid.add_row(Text(column.name), value)
    return grid


def _members(line: bytes) -> list[tuple[str, Any]]:
    # Numbers are kept as they are written, and columns of one name stay apart.
    members: list[tuple[str, Any]] = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=_Members)
    return members


class _Members(list[tuple[str, Any]]):
    """A JSON object as its members, in their order."""


def _cell(value: Any) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, bool):
        return Text(str(value).lower())
    if isinstance(value, list):
        return Text(_json(value))
    return Text(str(value))


def _json(value: Any) -> str:
    if isinstance(value, _Members):
        return "{" + ", ".join(f"{name}: {_json(member)}" for name, member in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_json(member) for member in value) + "]"
    return "NULL" if value is None else str(value)
