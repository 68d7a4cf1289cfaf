"""Records as a table on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tolva.plan import Column

_MAX_SHOWN = 40
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_OTHER_NUMBERS = ("UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


def print_records(lines: Iterable[bytes], columns: Sequence[Column]) -> None:
    """Print the first records of NDJSON ``lines``, and how many more there are."""
    table = Table()
    for column in columns:
        numeric = column.type.startswith(_NUMBERS + _OTHER_NUMBERS)
        table.add_column(Text(column.name), justify="right" if numeric else "left")
    count = 0
    for count, line in enumerate(lines, start=1):
        if count <= _MAX_SHOWN:
            table.add_row(*(_cell(value) for _, value in _members(line)))
    console = Console()
    console.print(table)
    more = f" ({count - _MAX_SHOWN:,} not shown; -o csv prints all)" if count > _MAX_SHOWN else ""
    console.print(f"{count:,} {'row' if count == 1 else 'rows'}{more}", style="dim")


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
