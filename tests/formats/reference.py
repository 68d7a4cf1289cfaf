"""A second, independent opinion on delimited text: byte by byte, as slow and plain as can be."""

from __future__ import annotations

from dataclasses import dataclass, field

from tolva.formats.delimited.dialect import Dialect


@dataclass
class Record:
    """A record, where it is, and what is wrong with its shape."""

    line: int
    offset: int
    raw: bytes = b""
    fields: list[bytes] = field(default_factory=list)
    fault: str | None = None
    at_fault: int | None = None

    @property
    def place(self) -> tuple[int, int, bytes]:
        return self.line, self.offset, self.raw


def parse(data: bytes, dialect: Dialect, width: int, at: int = 0) -> list[Record]:
    """Return every record of a table of ``width`` columns, from a byte on."""
    found = []
    while at < len(data):
        record = Record(data.count(b"\n", 0, at) + 1, at)
        if dialect.comment and data[at : at + 1] == dialect.comment.encode():
            at = (data.find(b"\n", at) + 1) or len(data)
            continue
        while True:
            value, fault, at = _field(data, at, dialect)
            if fault and not record.fault:
                record.fault, record.at_fault = fault, len(record.fields)
            record.fields.append(value)
            ended_by = data[at : at + 1]
            at += len(ended_by)
            if ended_by != dialect.delimiter.encode():
                break
        record.raw = _without_return(data[record.offset : at].removesuffix(b"\n"))
        forgiven = len(record.fields) == width + 1 and not record.fields[-1]
        if not record.fault and len(record.fields) != width and not forgiven:
            record.fault = "field_count"
        if record.raw or width == 1:
            found.append(record)
    return found


def _field(data: bytes, at: int, dialect: Dialect) -> tuple[bytes, str | None, int]:
    """Return a field's value, what is wrong with it, and where what ends it is."""
    quote = dialect.quote.encode() if dialect.quote else None
    if quote is None or quote not in (data[at : at + 1], data[at + 1 : at + 2] if data[at : at + 1] == b" " else b""):
        return _bare(data, at, dialect)
    at = data.index(quote, at) + 1
    value = b""
    while True:
        char = data[at : at + 1]
        if not char:
            return value, "unterminated_quote", len(data)
        if dialect.escape and char == dialect.escape.encode():
            value += data[at + 1 : at + 2]
            at += 2
        elif char == quote and not dialect.escape and data[at + 1 : at + 2] == quote:
            value += quote
            at += 2
        elif char == quote:
            break
        else:
            value += char
            at += 1
    rest, fault, at = _bare(data, at + 1, dialect)
    if rest.strip(b" "):
        return value + rest, fault or "text_after_quote", at
    return value, fault, at


def _bare(data: bytes, at: int, dialect: Dialect) -> tuple[bytes, str | None, int]:
    start = at
    while at < len(data) and data[at : at + 1] not in (b"\n", dialect.delimiter.encode()):
        at += 1
    value = data[start:at]
    if data[at : at + 1] in (b"\n", b""):
        value = _without_return(value)
    return value, "carriage_return" if b"\r" in value else None, at


def _without_return(value: bytes) -> bytes:
    return value.removesuffix(b"\r")
