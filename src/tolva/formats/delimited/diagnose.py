"""The exact parser: record by record, with the place of everything. Slow; for what the fast reader can't judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tolva.formats.delimited.dialect import Dialect

UNTERMINATED = "unterminated_quote"
"""The code of the fault of a quote that is never closed."""

_LF, _CR, _SPACE = b"\n", b"\r", b" "


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record: a stable code, the field (from 0) and byte it shows at, and words for people."""

    code: str
    field: int
    offset: int
    message: str


@dataclass(slots=True)
class Record:
    """One record: where it starts (byte and physical line, from 1), its raw bytes, its fields without their quotes."""

    offset: int
    line: int
    raw: bytes
    fields: list[bytes]
    fault: Fault | None = None


def records(
    data: bytes | bytearray, dialect: Dialect, *, single: bool, offset: int = 0, line: int = 1
) -> Iterator[Record]:
    """Parse whole records.

    Comments are passed over.

    Args:
        data: the text of whole records; after a missing last line end as well.
        dialect: how it is written.
        single: the table has one column, so that an empty line is a record; otherwise empty lines are passed over.
        offset: where ``data`` starts in its file.
        line: the physical line it starts on.
    """
    delimiter = dialect.delimiter.encode()
    quote = dialect.quote.encode() if dialect.quote else None
    comment = dialect.comment.encode() if dialect.comment else None
    at = 0
    while at < len(data):
        end = data.find(_LF, at) + 1 or len(data)
        raw = bytes(data[at:end])
        text = raw.removesuffix(_LF).removesuffix(_CR)
        if comment and raw.startswith(comment):
            line, at = line + 1, end
            continue
        if (quote and quote in text) or _CR in text:
            record = _Parser(data, dialect, at).record(offset, line)
            end = at + len(record.raw)
        else:
            record = Record(offset + at, line, raw, text.split(delimiter))
        if text or single:
            yield record
        line += data.count(_LF, at, end)
        at = end


class _Parser:
    """Parses the one record that starts at ``at``."""

    def __init__(self, data: bytes | bytearray, dialect: Dialect, at: int) -> None:
        self._data = data
        self._start = self._at = at
        self._delimiter = dialect.delimiter.encode()
        self._quote = dialect.quote.encode() if dialect.quote else None
        self._escape = dialect.escape.encode() if dialect.escape else None
        self._fields: list[bytes] = []
        self._fault: Fault | None = None

    def record(self, offset: int, line: int) -> Record:
        """Return the record of text that starts at a file's ``offset``; the record itself is on ``line``."""
        self._offset = offset
        while self._field():
            pass
        raw = bytes(self._data[self._start : self._at])
        return Record(offset + self._start, line, raw, self._fields, self._fault)

    def _field(self) -> bool:
        """Parse a field and what ends it; False when that was the record's end."""
        start = self._at
        quote = start + 1 if self._data[start : start + 1] == _SPACE else start
        if self._quote and self._data[quote : quote + 1] == self._quote:
            self._at = quote + 1
            value = self._quoted(quote) + self._trailing()
        else:
            value = self._bare()
        self._fields.append(value)
        ended_by = self._data[self._at : self._at + 1]
        self._at += len(ended_by)
        return ended_by == self._delimiter

    def _bare(self) -> bytes:
        """Take up to the next delimiter or line end."""
        start = self._at
        end = self._data.find(_LF, start)
        end = len(self._data) if end < 0 else end
        delimiter = self._data.find(self._delimiter, start, end)
        if delimiter >= 0:
            self._at = delimiter
            value = bytes(self._data[start:delimiter])
        else:
            self._at = end
            value = bytes(self._data[start:end]).removesuffix(_CR)
        if (lone := value.find(_CR)) >= 0:
            self._note("carriage_return", start + lone, "has a carriage return (CR) that no line feed follows")
        return value

    def _quoted(self, opened: int) -> bytes:
        """Take up to the closing quote."""
        pieces: list[bytes | bytearray] = []
        while True:
            stop = self._data.find(self._quote or b"", self._at)
            escape = (
                self._data.find(self._escape, self._at, stop if stop >= 0 else len(self._data)) if self._escape else -1
            )
            if escape >= 0:
                pieces += (self._data[self._at : escape], self._data[escape + 1 : escape + 2])
                self._at = escape + 2
            elif stop < 0:
                self._note(UNTERMINATED, opened, "opens a quote that is never closed")
                pieces.append(self._data[self._at :])
                self._at = len(self._data)
                return b"".join(pieces)
            else:
                pieces.append(self._data[self._at : stop])
                self._at = stop + 1
                if self._escape or self._data[stop + 1 : stop + 2] != self._quote:
                    return b"".join(pieces)
                pieces.append(self._data[stop : stop + 1])
                self._at = stop + 2

    def _trailing(self) -> bytes:
        """Pass over spaces after a closing quote; anything else is at fault."""
        start = self._at
        rest = self._bare()
        if rest.strip(_SPACE):
            self._note("text_after_quote", start, f"has {_shown(rest)} after a closing quote")
            return rest
        return b""

    def _note(self, code: str, at: int, message: str) -> None:
        if self._fault is None:
            self._fault = Fault(code, len(self._fields), self._offset + at, message)


def _shown(value: bytes) -> str:
    return repr(value[:40].decode(errors="backslashreplace"))
