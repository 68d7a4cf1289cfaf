"""From delimited files to the table they make together: one dialect, one set of columns, types that fit them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import NoReturn

from tolva.errors import InputError
from tolva.formats.delimited.cutter import MAX_RECORD_BYTES
from tolva.formats.delimited.diagnose import records
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.infer import merge
from tolva.formats.delimited.sniff import Hints, Sniffed, sniff
from tolva.formats.head import Head, read_head
from tolva.formats.intake import Learned
from tolva.formats.table import InputTable, TableSpec
from tolva.formats.types import canonical
from tolva.model import NewFile
from tolva.plan import Column

NAME = "delimited"
"""The format's name in a file's layout."""

_SAMPLED_FILES = 8


@dataclass(frozen=True, slots=True)
class _Sample:
    """How much of a file is looked at."""

    bytes: int
    records: int


_FIRST_SAMPLE = _Sample(64 * 1024, 1000)
_SAMPLE = _Sample(8 * 1024, 100)
_HEADER_SAMPLE = _Sample(4 * 1024, 1)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file with what its start told; ``names`` is empty for a file without any record."""

    location: str
    head: Head
    names: tuple[str, ...]
    types: tuple[str | None, ...]


def open_table(name: str, spec: TableSpec, files: Sequence[tuple[str, Path]]) -> InputTable:
    """See ``Format.open_table``."""
    opened, dialect = _open_files(files, spec)
    declared = {column: canonical(kind) for column, kind in spec.columns.items()}
    return _table(name, opened, dialect, declared)


def learn(table: str, spec: TableSpec, columns: Sequence[Column] | None, head: Head) -> Learned | None:
    """Learn a file's layout from its start; see ``intake.Learn``.

    ``columns`` are those of the table, if it has files already; the file must have the same.
    """
    # Where the columns are known only the file's shape is to be found out.
    sample = _FIRST_SAMPLE if columns is None else _SAMPLE
    opened, dialect = _look(head, "", _hints(spec), sample.records)
    if not opened.names and not head.complete:
        return None if len(head.sample) < MAX_RECORD_BYTES else _refuse_endless(head.name)
    if columns is None:
        declared = {column: canonical(kind) for column, kind in spec.columns.items()}
    else:
        declared = {column.name: column.type for column in columns}
    made = _table(table, [opened], dialect, declared)
    if columns is not None and opened.names and len(made.columns) != len(columns):
        besides = ", ".join(column.name for column in made.columns if column.name not in declared)
        raise InputError(f"{head.name} has columns that its table hasn't: {besides}", file=head.name)
    return Learned(made.files[0], tuple(columns or made.columns))


def _table(name: str, opened: list[_Opened], dialect: Dialect, declared: Mapping[str, str]) -> InputTable:
    first = next((file for file in opened if file.names), None)
    if first is None:
        if not declared:
            raise InputError(f"table {name}: its files have no records; declare its columns, or give other files")
        columns = tuple(Column(column, kind) for column, kind in declared.items())
    else:
        if not dialect.header:
            opened = _name_by_position(opened, first, declared)
            first = next(file for file in opened if file.names)
        _refuse_unlike(first, opened)
        columns = _columns(first, opened, declared)
    names = [column.name for column in columns]
    return InputTable(name, columns, tuple(_new_file(name, file, dialect, names) for file in opened))


def _hints(spec: TableSpec) -> Hints:
    return Hints(spec.delimiter, spec.quote, spec.escape, spec.comment, spec.header)


def _open_files(files: Sequence[tuple[str, Path]], spec: TableSpec) -> tuple[list[_Opened], Dialect]:
    """Look at every file; the first one with a record decides how all are written."""
    dialect: Dialect | None = None
    opened: list[_Opened] = []
    sampled = _spread(len(files))
    for i, (name, path) in enumerate(files):
        sample = _FIRST_SAMPLE if dialect is None else _SAMPLE if i in sampled else _HEADER_SAMPLE
        file, found = _open_file(name, path, sample, dialect, spec)
        opened.append(file)
        if file.names and dialect is None:
            dialect = found
    return opened, dialect or Dialect()


def _open_file(
    name: str, path: Path, sample: _Sample, dialect: Dialect | None, spec: TableSpec
) -> tuple[_Opened, Dialect]:
    """Look at one file: at a sample, or at more where the sample hasn't even one record."""
    for size in (sample.bytes, MAX_RECORD_BYTES):
        head = read_head(path, name, size, spec)
        opened, found = _look(head, str(path.absolute()), dialect or _hints(spec), sample.records)
        if opened.names or head.complete:
            return opened, found
    return _refuse_endless(name)


def _look(head: Head, location: str, hints: Hints | Dialect, max_records: int) -> tuple[_Opened, Dialect]:
    try:
        found = sniff(head.sample, complete=head.complete, hints=hints, max_records=max_records)
    except UnicodeDecodeError:
        raise InputError(
            f"{head.name}: its header is not UTF-8; declare its encoding, such as latin-1", file=head.name
        ) from None
    _refuse_twins(found, head.name)
    return _Opened(location, head, found.names, found.types), found.dialect


def _refuse_endless(name: str) -> NoReturn:
    raise InputError(
        f"{name}: its first record is longer than {MAX_RECORD_BYTES} bytes: is a quote left open?", file=name
    )


def _spread(count: int) -> set[int]:
    """Return the first, the last and some between of ``count`` positions."""
    steps = min(count, _SAMPLED_FILES) - 1
    return {i * (count - 1) // steps for i in range(steps + 1)} if steps > 0 else {0}


def _refuse_twins(found: Sniffed, file: str) -> None:
    seen: dict[str, str] = {}
    for column in found.names:
        if column.casefold() in seen:
            raise InputError(
                f"{file}: its header has both {seen[column.casefold()]!r} and {column!r}, which SQL can't tell apart; "
                "rename one",
                file=file,
                column=column,
            )
        seen[column.casefold()] = column


def _name_by_position(opened: list[_Opened], first: _Opened, declared: Mapping[str, str]) -> list[_Opened]:
    """Give the columns of files without a header the declared names, if all are declared under names of their own."""
    if not declared or set(declared) <= set(first.names):
        return opened
    if len(declared) != len(first.names):
        raise InputError(
            f"{first.head.name} has no header and {len(first.names)} columns, but {len(declared)} are declared; "
            f"declare all of them in order, or some as {first.names[0]} to {first.names[-1]}",
            file=first.head.name,
        )
    return [
        _Opened(
            file.location, file.head, tuple(declared) if len(file.names) == len(declared) else file.names, file.types
        )
        for file in opened
    ]


def _refuse_unlike(first: _Opened, opened: list[_Opened]) -> None:
    expected = set(first.names)
    for file in opened:
        found = set(file.names)
        if found and found != expected:
            differences = [
                f"{words} {', '.join(sorted(names))}"
                for words, names in (("it lacks", expected - found), ("it has besides", found - expected))
                if names
            ]
            raise InputError(
                f"{file.head.name} has not the same columns as {first.head.name}: {'; '.join(differences)}",
                file=file.head.name,
                lacks=sorted(expected - found),
                besides=sorted(found - expected),
            )


def _columns(first: _Opened, opened: list[_Opened], declared: Mapping[str, str]) -> tuple[Column, ...]:
    for column in declared:
        if column not in first.names:
            near = get_close_matches(column, first.names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"its columns: {', '.join(first.names)}"
            raise InputError(
                f"column {column} is declared, but {first.head.name} has none of that name; {hint}",
                file=first.head.name,
                column=column,
            )
    return tuple(Column(name, declared.get(name) or _type(name, opened)) for name in first.names)


def _type(column: str, opened: list[_Opened]) -> str:
    kinds = [file.types[file.names.index(column)] for file in opened if file.names]
    return reduce(merge, kinds) or "VARCHAR"


def _new_file(table: str, file: _Opened, dialect: Dialect, names: Sequence[str]) -> NewFile:
    head = file.head
    return NewFile(
        table=table,
        name=head.name,
        location=file.location,
        bytes=head.size_bytes,
        fingerprint=head.fingerprint,
        layout={"format": NAME, "dialect": dialect.to_json(), "header": list(file.names or names)} | head.layout,
        first_byte=head.skipped + _header_end(head, dialect),
    )


def _header_end(head: Head, dialect: Dialect) -> int:
    if not dialect.header:
        return 0
    header = next(records(head.sample, dialect, single=False), None)
    return header.offset + len(header.raw) if header else len(head.sample)
