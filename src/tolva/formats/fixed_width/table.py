"""From fixed-width files to the table they make together. Their fields are declared; types may be found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tolva.errors import DocumentError
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.infer import infer
from tolva.formats.fixed_width.places import Fields, fields_of
from tolva.formats.head import Head, read_head
from tolva.formats.intake import Learned
from tolva.formats.table import InputTable, TableSpec
from tolva.formats.types import canonical
from tolva.model import NewFile
from tolva.plan import Column

NAME = "fixed_width"
"""The format's name in a file's layout."""

_SAMPLE_BYTES = 64 * 1024
_SAMPLED_RECORDS = 1000
_SAMPLED_FILES = 8
_LINES = Dialect(delimiter="\x1e", quote=None, header=False)


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
    """See ``Format.open_table``."""
    fields = _fields(name, spec)
    heads = [read_head(path, label, _SAMPLE_BYTES, spec) for label, path in files]
    columns = _columns(fields, spec.columns, heads[:_SAMPLED_FILES])
    locations = [str(path.absolute()) for _, path in files]
    made = tuple(_new_file(name, fields, *pair) for pair in zip(heads, locations, strict=True))
    return InputTable(name, columns, made)


def learn(table: str, spec: TableSpec, columns: Sequence[Column] | None, head: Head) -> Learned:
    """Learn a file's layout from its start; see ``intake.Learn``."""
    fields = _fields(table, spec)
    found = tuple(columns or _columns(fields, spec.columns, [head]))
    return Learned(_new_file(table, fields, head, ""), found)


def _fields(table: str, spec: TableSpec) -> Fields:
    if not spec.positions:
        raise DocumentError(
            f"table {table}: a fixed-width file doesn't tell where its fields are; write them as positions, as in "
            "positions: {id: 1-8, name: 9-40}"
        )
    by_bytes = spec.unit == "bytes"
    if by_bytes and spec.encoding not in (None, "utf-8", "latin-1"):
        raise DocumentError(
            f"table {table}: in {spec.encoding}, write the positions in characters", encoding=spec.encoding
        )
    # In latin-1 a byte is a character, whatever it becomes as UTF-8.
    return fields_of(spec.positions, by_bytes=by_bytes and spec.encoding != "latin-1")


def _columns(fields: Fields, declared: Mapping[str, str], heads: Sequence[Head]) -> tuple[Column, ...]:
    for column in declared:
        if column not in fields.places:
            near = get_close_matches(column, fields.places, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fields.places)}"
            raise DocumentError(f"column {column} has no position; {hint}", column=column)
    types = {name: canonical(kind) for name, kind in declared.items()}
    lines = [line for head in heads for line in _sample(head, fields)]
    return tuple(Column(name, types.get(name) or _type(lines, *place)) for name, place in fields.places.items())


def _sample(head: Head, fields: Fields) -> list[str]:
    lines = head.sample.split(b"\n")
    whole = lines if head.complete else lines[:-1]
    kept = [line.removesuffix(b"\r") for line in whole[:_SAMPLED_RECORDS] if line.strip()]
    return [line.decode("latin-1" if fields.by_bytes else "utf-8", "replace") for line in kept]


def _type(lines: Sequence[str], start: int, end: int | None) -> str:
    return infer(line[start:end].strip(" ") for line in lines) or "VARCHAR"


def _new_file(table: str, fields: Fields, head: Head, location: str) -> NewFile:
    layout: dict[str, Any] = {
        "format": NAME,
        "dialect": _LINES.to_json(),
        # Two fields: an empty line is no record.
        "header": ["", ""],
        "fields": fields.to_json(),
    }
    return NewFile(
        table=table,
        name=head.name,
        location=location,
        bytes=head.size_bytes,
        fingerprint=head.fingerprint,
        layout=layout | head.layout,
        first_byte=head.skipped,
    )
