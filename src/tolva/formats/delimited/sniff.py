"""Finds out from a file's start how it is written: delimiter, quote, header, the columns' names and types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tolva.formats.delimited.diagnose import UNTERMINATED, Record, records
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.infer import infer, merge

_DELIMITERS = ",|;\t"
_QUOTES = "\"'"
_SHAPE_RECORDS = 100


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user said of a file's shape; None: not said."""

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    comment: str | None = None
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file's start tells: its dialect and its columns; a type is None when every value is empty."""

    dialect: Dialect
    names: tuple[str, ...]
    types: tuple[str | None, ...]


def sniff(sample: bytes, *, complete: bool, hints: Hints | Dialect, max_records: int) -> Sniffed:
    """Learn a file's dialect, names and types from its first bytes.

    Args:
        sample: the file's start.
        complete: the sample is all of it; else what follows its last whole record is left out.
        hints: what isn't to be found out; the whole dialect, for a file that is written as another one.
        max_records: look at no more than these; one is enough for the names.

    UnicodeDecodeError when the header isn't UTF-8; other bytes that aren't are left to the reader to find.
    """
    text = sample if complete else sample[: sample.rfind(b"\n") + 1]
    dialect = hints if isinstance(hints, Dialect) else _dialect(text, hints)
    sampled = islice(_records(text, dialect), max_records)
    rows = [[field.decode(errors="replace") for field in record.fields] for record in sampled]
    if not rows:
        return Sniffed(replace(dialect, header=hints.header is not False), (), ())
    width = len(rows[0])
    below = [row[:width] for row in rows[1:] if len(row) == width or (len(row) == width + 1 and not row[-1])]
    types = [infer(column) for column in zip(*below, strict=True)] or [None] * width
    header = _is_header(rows[0], types if below else None) if hints.header is None else hints.header
    if header:
        names = [field.decode().strip() for field in next(_records(text, dialect)).fields]
        return Sniffed(replace(dialect, header=True), named(names), tuple(types))
    types = [infer(column) for column in zip(rows[0], *below, strict=True)]
    return Sniffed(replace(dialect, header=False), named([""] * width), tuple(types))


def named(names: Sequence[str]) -> tuple[str, ...]:
    """Give columns without a name theirs, as DuckDB does: ``column0``, ``column1``, ..."""
    digits = len(str(len(names) - 1))
    return tuple(name or f"column{i:0{digits}}" for i, name in enumerate(names))


def _is_header(first: Sequence[str], below: Sequence[str | None] | None) -> bool:
    """Whether the first record holds names: it isn't like those below it, or all are text and none is there twice."""
    if below is None:
        below = [infer((text,)) for text in first]
        return set(below) <= {None, "VARCHAR"}
    telling = [(text, kind) for text, kind in zip(first, below, strict=True) if kind not in (None, "VARCHAR")]
    if telling:
        return any(merge(infer((text,)), kind) != kind for text, kind in telling)
    names = [text for text in first if text]
    return 0 < len(names) == len(set(names))


def _dialect(text: bytes, hints: Hints) -> Dialect:
    """Choose delimiter, quote and escape by which most records have the same number of fields, and more than one."""
    made = [
        Dialect(delimiter, quote, escape, hints.comment)
        for quote, escape in _quotings(text, hints)
        for delimiter in hints.delimiter or _DELIMITERS
        if delimiter not in (quote, escape)
    ]
    if len(made) == 1:
        return made[0]
    scores = [_score(text, candidate) for candidate in made]
    return made[scores.index(max(scores))]


def _quotings(text: bytes, hints: Hints) -> list[tuple[str | None, str | None]]:
    """Return the pairs of quote and escape that may be."""
    if hints.quote == "":
        return [(None, None)]
    quotes = hints.quote or (_QUOTES if b"'" in text and b'"' not in text else _QUOTES[0])
    escapes: list[str | None] = [None]
    if hints.escape:
        escapes = [hints.escape]
    elif any(f"\\{quote}".encode() in text for quote in quotes):
        escapes = [None, "\\"]
    return [(quote, escape if escape != quote else None) for escape in escapes for quote in quotes]


def _score(text: bytes, dialect: Dialect) -> tuple[float, int, bool]:
    """Return how well a dialect explains a text: more is better.

    First the share of records that have the most common number of fields, if that is more than one; then that number;
    then whether an unusual quote is used, as it must be to be chosen.
    """
    if dialect.quote == _QUOTES[0] and dialect.delimiter.encode() not in text:
        return 0.0, 1, False
    found = list(islice(_records(text, dialect), _SHAPE_RECORDS))
    width, count = max(
        Counter(len(record.fields) for record in found).items(), key=lambda item: item[::-1], default=(1, 0)
    )
    used = dialect.quote != _QUOTES[0] and any(_starts_quoted(record, dialect) for record in found)
    if width == 1 or any(record.fault for record in found):
        return 0.0, 1, used and not any(record.fault for record in found)
    return count / len(found), width, used


def _starts_quoted(record: Record, dialect: Dialect) -> bool:
    quote, delimiter = str(dialect.quote).encode(), dialect.delimiter.encode()
    return record.raw.startswith(quote) or delimiter + quote in record.raw


def _records(text: bytes, dialect: Dialect) -> Iterator[Record]:
    """Parse the records of a sample, up to a quote that is still open at its end."""
    for record in records(text, dialect, single=False):
        if record.fault and record.fault.code == UNTERMINATED:
            return
        yield record
