"""From files of JSON lines to the table they make together: the keys of a sample of all, with types that fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tolva.errors import DocumentError, InputError
from tolva.formats.delimited.bounds import bounds_of
from tolva.formats.delimited.cutter import MAX_RECORD_BYTES
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.text import Text
from tolva.formats.engine import canonical
from tolva.formats.head import Head, read_head
from tolva.formats.intake import Learned
from tolva.formats.ndjson.objects import infer, read_lines
from tolva.formats.ndjson.sorting import well_formed
from tolva.formats.origin import Origin
from tolva.formats.table import InputTable, TableSpec
from tolva.model import NewFile
from tolva.plan import Column

NAME = "ndjson"
"""The format's name in a file's layout."""

_SAMPLED_FILES = 8
_FIRST_SAMPLE_BYTES, _SAMPLE_BYTES = 256 * 1024, 32 * 1024
_LINES = Dialect(delimiter="\x1e", quote=None, header=False)
_LAYOUT: dict[str, Any] = {"format": NAME, "dialect": _LINES.to_json(), "header": ["line"]}


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
    """See ``Format.open_table``."""
    heads = [
        read_head(path, label, _FIRST_SAMPLE_BYTES if i < _SAMPLED_FILES else _SAMPLE_BYTES, spec)
        for i, (label, path) in enumerate(files)
    ]
    columns = _columns(heads, spec.columns)
    if not columns:
        raise InputError(f"table {name}: its files have no records; declare its columns, or give other files")
    locations = [str(path.absolute()) for _, path in files]
    return InputTable(name, columns, tuple(map(_new_file, [name] * len(heads), heads, locations)))


def learn(table: str, spec: TableSpec, columns: Sequence[Column] | None, head: Head) -> Learned | None:
    """Learn a file's layout from its start; see ``intake.Learn``. A file may have other keys than its table."""
    found = tuple(columns or _columns([head], spec.columns))
    if not found:
        if head.complete or len(head.sample) >= MAX_RECORD_BYTES:
            raise InputError(f"{head.name} has no records; declare its columns, or send another file", file=head.name)
        return None
    return Learned(_new_file(table, head, ""), found)


def _columns(heads: Sequence[Head], declared: Mapping[str, str]) -> tuple[Column, ...]:
    """Return the columns of all samples together, declared ones with their types; those found nowhere come last."""
    sample = b"".join(_sample(head) for head in heads)
    found = infer(sample)
    _refuse_twins(sample, found, heads[0].name)
    types = {name.casefold(): (name, _readable(name, kind)) for name, kind in declared.items()}
    columns = [Column(name, types.pop(name.casefold(), (name, kind))[1]) for name, kind in found.items()]
    return (*columns, *(Column(name, kind) for name, kind in types.values()))


def _readable(column: str, kind: str) -> str:
    """Return a declared type in DuckDB's words; DocumentError for one whose values JSON doesn't have."""
    known = canonical(kind)
    try:
        read_lines(b"{}", {column: known})
    except duckdb.Error:
        raise DocumentError(f"column {column}: JSON holds no values of type {known}", column=column) from None
    return known


def _sample(head: Head) -> bytes:
    """Return the whole lines of a sample that are well formed; what is wrong with others is told when they are read."""
    end = len(head.sample) if head.complete else head.sample.rfind(b"\n") + 1
    lines = Text(memoryview(head.sample[:end]), _LINES, _LAYOUT["header"], {}, Origin(head.name))
    bounds = bounds_of(lines)
    kept = bytes(bounds.joined(well_formed(bounds)))
    return kept if kept.endswith(b"\n") or not kept else kept + b"\n"


def _refuse_twins(sample: bytes, found: Mapping[str, str], file: str) -> None:
    """Refuse keys that SQL can't tell apart; DuckDB gave all but the first another name."""
    for column in found:
        name, _, number = column.rpartition("_")
        if number.isdecimal() and name.casefold() in map(str.casefold, found) and not _is_key(sample, column):
            raise InputError(
                f"{file}: its objects have keys like {name!r} that differ in upper and lower case alone, which SQL "
                "can't tell apart; rename one",
                file=file,
                column=name,
            )


def _is_key(sample: bytes, name: str) -> bool:
    return bool(read_lines(sample, {name: "JSON"})[name].null_count < sample.count(b"\n"))


def _new_file(table: str, head: Head, location: str) -> NewFile:
    return NewFile(
        table=table,
        name=head.name,
        location=location,
        bytes=head.size_bytes,
        fingerprint=head.fingerprint,
        layout=_LAYOUT | head.layout,
        first_byte=head.skipped,
    )
