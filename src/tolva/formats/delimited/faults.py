"""What is wrong with a record, as an error that names file, line, column and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from tolva.errors import RecordError
from tolva.formats.delimited.casting import BadValue
from tolva.formats.delimited.diagnose import Fault, Record, records
from tolva.formats.delimited.text import Text

_SHOWN_CHARS = 100


class Exact:
    """The records of a text by the exact parser, and what is wrong with them."""

    def __init__(self, text: Text) -> None:
        self._text, self._origin, self._width = text, text.origin, len(text.header)

    def records(self) -> Iterator[Record]:
        """Parse the chunk; offsets are those in the file, lines count from the chunk's start."""
        data = bytes(self._text.data)
        return records(data, self._text.dialect, single=self._width == 1, offset=self._origin.offset)

    def record(self, start: int, end: int) -> Record:
        """Parse the one record that is at these bytes of the text; its line isn't known."""
        data = bytes(self._text.data[start:end])
        return next(records(data, self._text.dialect, single=True, offset=self._origin.offset + start))

    def fault(self, record: Record) -> Fault | None:
        """Return what is wrong with the shape of a record, if anything."""
        found, expected = len(record.fields), self._width
        # One delimiter too many at the end is forgiven, as DuckDB does.
        if record.fault or found == expected or (found == expected + 1 and not record.fields[-1]):
            return record.fault
        return Fault("field_count", expected, record.offset, f"has {found} fields, expected {expected}")

    def texts(self, record: Record, positions: Sequence[int]) -> list[str | None] | Fault:
        """Return the texts of the fields at ``positions``, None for an empty one; or what is wrong with the record."""
        fault = self.fault(record)
        if fault:
            return fault
        texts: list[str | None] = []
        for i in positions:
            try:
                texts.append(record.fields[i].decode() or None)
            except UnicodeDecodeError as error:
                return Fault("encoding", i, record.offset, f"is not UTF-8 at its byte {error.start + 1}")
        return texts

    def fault_error(self, record: Record, fault: Fault) -> RecordError:
        """Return the error for a record that is wrong in itself."""
        column = self._text.header[fault.field] if fault.field < self._width else None
        words = f"column {column} {fault.message}" if column else fault.message
        return self._error(record, f"{words}; mend the record", reason=fault.code, column=column)

    def value_error(self, bad: BadValue, types: Mapping[str, str]) -> RecordError:
        """Return the error for a value that isn't of its column's type."""
        record = next(islice(self.records(), bad.row, None))
        kind = types[bad.column]
        shown = repr(bad.value if len(bad.value) <= _SHOWN_CHARS else f"{bad.value[:_SHOWN_CHARS]}…")
        words = f"column {bad.column}: {shown} is not {_named(kind)}"
        message = f"{words}; mend the record or declare the column as VARCHAR"
        return self._error(record, message, reason="type", column=bad.column, value=bad.value, type=kind)

    def _error(self, record: Record, message: str, **data: str | None) -> RecordError:
        line = self._origin.lines_before() + record.line
        return RecordError(
            f"{self._origin.name}:{line}: {message}",
            file=self._origin.name,
            line=line,
            byte_offset=record.offset,
            **data,
        )


def wrong_type(texts: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """Return, for each text that isn't of a type, the words for it."""
    long = pc.greater(pc.utf8_length(texts), _SHOWN_CHARS)
    cut = pc.utf8_slice_codeunits(texts, 0, _SHOWN_CHARS)
    end = pc.if_else(long, f"…' is not {_named(kind)}", f"' is not {_named(kind)}")
    return pc.binary_join_element_wise("'", cut, end, "")


def _named(kind: str) -> str:
    return f"an {kind}" if kind.startswith("INT") else f"a {kind}"
