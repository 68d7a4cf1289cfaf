"""Finds out what a file is and writes it down as a job document to start from."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from tolva import formats
from tolva.formats import Held, InputTable
from tolva.formats.engine import engine
from tolva.formats.fixed_width.sniff import positions_of
from tolva.formats.head import read_head
from tolva.jobs.prepare import Spec
from tolva.planner.quoting import quoted

_SAMPLE_BYTES = 64 * 1024
_SHOWN_RECORDS, _SHOWN_CHARS = 10, 24
_DIALECT = ("delimiter", "quote", "escape", "comment", "header")


def sniffed(file: str) -> str:
    """Return a document (YAML, with what is for people as comments) that asks for the first records of a file.

    InputError when it can't be read, or has nothing to be learnt from.
    """
    spec = Spec([file])
    table = formats.resolve(_table_name(file), spec, Path())
    if table.files[0].layout["format"] == "delimited" and len(table.columns) == 1:
        spec = replace(spec, positions=_positions(file, spec))
        table = formats.resolve(table.name, spec, Path()) if spec.positions else table
    rows, rejected = _first_records(table)
    document = {
        "kind": "query",
        "tables": {table.name: {"files": file, **_shape(table, spec), "columns": _columns(table)}},
        "queries": {"first_records": f"SELECT * FROM {quoted(table.name)} LIMIT {_SHOWN_RECORDS}"},
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return "".join((_comments(_facts(table, rejected)), text, _comments(["", "The first records:", *_shown(rows)])))


def _table_name(file: str) -> str:
    stem = Path(file).name.split(".")[0]
    name = re.sub(r"\W+", "_", stem).strip("_").lower()
    return name if name[:1].isalpha() else f"t_{name}".rstrip("_")


def _positions(file: str, spec: Spec) -> dict[str, str]:
    head = read_head(Path(file), file, _SAMPLE_BYTES, spec)
    lines = head.sample.decode(errors="replace").split("\n")
    whole = lines if head.complete else lines[:-1]
    return positions_of([line.removesuffix("\r") for line in whole if line.strip()])


def _shape(table: InputTable, spec: Spec) -> dict[str, Any]:
    """Return what the document says of how the file is written."""
    layout = table.files[0].layout
    shape: dict[str, Any] = {"format": layout["format"]}
    decoding = layout.get("decoding", {})
    shape |= {key: value for key, value in decoding.items() if value not in ("none", "utf-8")}
    if layout["format"] == "delimited":
        shape |= {key: layout["dialect"][key] for key in _DIALECT if layout["dialect"][key] is not None}
    return shape | ({"positions": spec.positions} if spec.positions else {})


def _columns(table: InputTable) -> dict[str, str]:
    return {column.name: column.type for column in table.columns}


def _facts(table: InputTable, rejected: int) -> list[str]:
    new = table.files[0]
    shape = _shape(table, Spec([]))
    told = [f"{new.name}: {shape['format']}, {new.bytes:,} bytes, {len(table.columns)} columns"]
    if rejected:
        told.append(
            f"{rejected} of the records looked at can't be read so; a query ends at the first one, and an ingest"
        )
        told.append("job (kind: ingest) sorts them out.")
    return told


def _first_records(table: InputTable) -> tuple[pa.Table, int]:
    """Return some good records, and how many bad ones there were among them."""
    types = {column.name: column.type for column in table.columns}
    file = formats.unstored(table.files[0])
    if formats.must_be_decoded(file):
        pieces = islice(formats.pieces_of(file, _SAMPLE_BYTES), 1)
        found = [formats.sort_out(file, piece.chunk, types, list(types), Held(piece.data)) for piece in pieces]
    else:
        chunks = islice(formats.chunks_of(file, _SAMPLE_BYTES), 1)
        found = [formats.sort_out(file, chunk, types, list(types)) for chunk in chunks]
    if not found:
        return pa.table({name: pa.array([], pa.string()) for name in types}), 0
    return found[0].rows.slice(0, _SHOWN_RECORDS), found[0].records - found[0].rows.num_rows


def _shown(rows: pa.Table) -> list[str]:
    """Return records as the lines of a table, their values as DuckDB spells them."""
    with engine().cursor() as connection:
        connection.register("given", rows)
        values = connection.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM given").fetchall()
    cells = [[_cell(value) for value in row] for row in (rows.column_names, *values)]
    widths = [max(len(row[i]) for row in cells) for i in range(rows.num_columns)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def _cell(value: str | None) -> str:
    text = "" if value is None else repr(value)[1:-1]
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _comments(lines: list[str]) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)
