"""From Parquet files to the table they make together.

Which columns there are, and of which types, is what DuckDB says of ``read_parquet`` with ``union_by_name``: files may
lack columns of others, whose values are NULL there, and types that differ become one that holds both.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO

import duckdb
from pyarrow import parquet

from tolva.errors import InputError
from tolva.formats.engine import canonical
from tolva.formats.files import fingerprint, similar_file
from tolva.formats.intake import Learned
from tolva.formats.parquet.groups import column_bytes, layout_of
from tolva.formats.parquet.source import as_parquet, damage_named
from tolva.formats.table import InputTable, TableSpec
from tolva.model import NewFile
from tolva.plan import Column

_MAGIC = b"PAR1"
_TRAILER_BYTES = 8

_FOOTERS_KEPT = 16
"""A server is asked about the same files over and over; a footer can have a megabyte."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file with its footer, as read and in bytes."""

    new: NewFile
    metadata: parquet.FileMetaData
    footer: bytes


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
    """See ``Format.open_table``."""
    opened = [_open(name, label, path) for label, path in files]
    found = _columns(opened)
    columns = _declared(found, spec.columns, opened[0].new.name)
    sizes = column_bytes([file.metadata for file in opened])
    per_name = {column.name: sizes.get(column.name.casefold(), 0) for column in columns}
    found_files = tuple(file.new for file in opened)
    return InputTable(name, columns, found_files, in_place=columns == found, column_bytes=per_name)


def learn(table: str, spec: TableSpec, name: str, data: bytes, columns: Sequence[Column] | None) -> Learned:
    """Learn all of a file from its bytes; with ``columns``, those of a table that has files already."""
    with damage_named(name):
        opened = _look(NewFile(table, name, "", len(data), "", {}), io.BytesIO(data))
    found = _columns([opened])
    if columns is None:
        return Learned(opened.new, _declared(found, spec.columns, name))
    known = {column.name.casefold() for column in columns}
    besides = ", ".join(column.name for column in found if column.name.casefold() not in known)
    if besides:
        raise InputError(f"{name} has columns that its table hasn't: {besides}", file=name)
    return Learned(opened.new, tuple(columns))


def _open(table: str, name: str, path: Path) -> _Opened:
    try:
        with path.open("rb") as file, damage_named(name):
            stat = os.fstat(file.fileno())
            return _look(NewFile(table, name, str(path.absolute()), stat.st_size, fingerprint(stat), {}), file)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file.{similar_file(path)}", file=name) from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder; name the files in it, as in {name}/*.parquet", file=name) from None
    except OSError as error:
        raise InputError(f"{name} can't be read: {error.strerror or error}", file=name) from None


def _look(new: NewFile, file: BinaryIO) -> _Opened:
    metadata = as_parquet(file).metadata
    file.seek(-_TRAILER_BYTES, os.SEEK_END)
    length = int.from_bytes(file.read(4), "little") + _TRAILER_BYTES
    file.seek(-length, os.SEEK_END)
    return _Opened(replace(new, layout=layout_of(metadata)), metadata, file.read(length))


def _columns(opened: Sequence[_Opened]) -> tuple[Column, ...]:
    """Ask DuckDB for the columns of all files together; each footer makes a file without rows for it to look at."""
    distinct = {repr(file.metadata.schema): file for file in reversed(opened)}
    first = [file for file in opened if distinct[repr(file.metadata.schema)] is file]
    for file in first:
        _refuse_twins(file)
    try:
        return _described(tuple(file.footer for file in first))
    except duckdb.Error as error:
        names = ", ".join(file.new.name for file in first)
        raise InputError(f"{names} can't be read as Parquet: {str(error).splitlines()[0]}", files=names) from None


@lru_cache(maxsize=_FOOTERS_KEPT)
def _described(footers: tuple[bytes, ...]) -> tuple[Column, ...]:
    with tempfile.TemporaryDirectory(prefix="tolva-") as folder, _reader().cursor() as connection:
        paths = [Path(folder) / f"{i:06}.parquet" for i in range(len(footers))]
        for path, footer in zip(paths, footers, strict=True):
            path.write_bytes(_MAGIC + footer)
        sql = "DESCRIBE SELECT * FROM read_parquet($paths, union_by_name := true)"
        rows = connection.execute(sql, {"paths": [str(path) for path in paths]}).fetchall()
    return tuple(Column(row[0], row[1]) for row in rows)


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    """Return this process's own instance that may open files; a new one costs as much as a small query's plan."""
    return duckdb.connect(config={"threads": 1})


def _refuse_twins(file: _Opened) -> None:
    seen: dict[str, str] = {}
    schema = file.metadata.schema.to_arrow_schema()
    for column in schema.names:
        if column.casefold() in seen:
            raise InputError(
                f"{file.new.name} has both {seen[column.casefold()]!r} and {column!r}, which SQL can't tell apart; "
                "rename one",
                file=file.new.name,
                column=column,
            )
        seen[column.casefold()] = column


def _declared(columns: Sequence[Column], declared: Mapping[str, str], file: str) -> tuple[Column, ...]:
    names = {column.name.casefold(): column.name for column in columns}
    types = {}
    for name, kind in declared.items():
        if name.casefold() not in names:
            near = get_close_matches(name, names.values(), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"its columns: {', '.join(names.values())}"
            raise InputError(
                f"column {name} is declared, but {file} has none of that name; {hint}", file=file, column=name
            )
        types[name.casefold()] = canonical(kind)
    return tuple(Column(c.name, types.get(c.name.casefold(), c.type)) for c in columns)
