"""Sorts a chunk's records into good and bad ones.

A clean chunk is read by the fast reader and costs nothing more. In others the fast parser takes all records as text,
passing over those of another shape; DuckDB casts the texts, column by column; and only what the parser passed over, or
couldn't vouch for, goes to the exact parser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from tolva.formats.delimited import fast
from tolva.formats.delimited.bounds import Bounds, Positions, bounds_of
from tolva.formats.delimited.casting import refused, try_cast
from tolva.formats.delimited.diagnose import Fault
from tolva.formats.delimited.faults import Exact, wrong_type
from tolva.formats.delimited.text import Text
from tolva.formats.reasons import Reasons
from tolva.formats.reject import REJECTS, Sorted
from tolva.formats.utf8 import as_text, is_text

_PIECE_BYTES = 64 * 1024
_SHADOW = bytes(range(128)) + b"x" * 128
_NO_HOPES: Mapping[str, str] = MappingProxyType({})


def sort_out(
    text: Text, types: Mapping[str, str], wanted: Sequence[str], hoped: Mapping[str, str] = _NO_HOPES
) -> Sorted:
    """Sort a chunk's records; see ``Format.sort_out``."""
    needed = {name: types[name] for name in wanted}
    rows = _read_clean(text, needed, hoped)
    if rows is None:
        return _sort_out(bounds_of(text), needed)
    return Sorted(rows, REJECTS.empty_table(), rows.num_rows, lambda at: bounds_of(text).places(at))


def _read_clean(text: Text, types: Mapping[str, str], hoped: Mapping[str, str]) -> pa.Table | None:
    if not types or not all(map(fast.is_direct, types.values())):
        return None
    if hoped and set(types.values()) == {"VARCHAR"}:
        return fast.read_hoped(text, list(types), hoped)
    return fast.read(text, types) if fast.is_clean(text, types) else None


def _sort_out(bounds: Bounds, types: Mapping[str, str]) -> Sorted:
    reasons = Reasons()
    # Where no column is wanted, any one still shows which records are well formed.
    read = _read_all(bounds, types or {bounds.text.header[0]: "BLOB"}, reasons)
    found = _joined([_Read(each.numbers, _values(each, types, reasons)) for each in read])
    bad = np.zeros(len(bounds), np.bool_)
    bad[reasons.records()] = True
    good = ~bad[found.numbers]
    numbers = found.numbers[good]
    return Sorted(
        rows=found.fields.filter(pa.array(good)) if types else _no_columns(len(numbers)),
        rejects=reasons.rejects(bounds.places),
        records=len(bounds),
        places=lambda at: bounds.places(numbers[np.asarray(at, np.int64)]),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """Well-formed records: their numbers in the chunk, and their fields as values or, yet to be judged, as bytes.

    ``utf8``: all bytes are known to be that.
    """

    numbers: Positions
    fields: pa.Table
    utf8: bool = False


def _read_all(bounds: Bounds, types: Mapping[str, str], reasons: Reasons) -> list[_Read]:
    """Parse every record of a chunk."""
    text = bounds.text
    whole = _read_regular(bounds, text, np.arange(len(bounds)), types, reasons)
    if whole is not None:
        return whole
    found: list[_Read] = []
    # All as bytes, so that the values of all pieces are judged at once.
    kinds = dict.fromkeys(types, "VARCHAR")
    for piece in text.pieces(_PIECE_BYTES):
        at = piece.origin.offset - text.origin.offset
        numbers = np.arange(*np.searchsorted(bounds.starts, (at, at + len(piece.data))))
        regular = _read_regular(bounds, piece, numbers, kinds, reasons)
        found += [_read_exactly(bounds, numbers, list(types), reasons)] if regular is None else regular
    return [_joined(found)]


def _read_regular(
    bounds: Bounds, text: Text, numbers: Positions, types: Mapping[str, str], reasons: Reasons
) -> list[_Read] | None:
    """Parse a text, which has the records of these numbers, by the fast parser; None if it is too odd for it."""
    misshapen: list[int] = []
    utf8 = is_text(text.data)
    if utf8:
        fields = fast.read_good(text, types, misshapen)
    else:
        # The fast parser passes over misshapen records only in UTF-8. Their shape shows as well without any odd byte.
        shadow = memoryview(bytes(text.data).translate(_SHADOW))
        if fast.read_fields(replace(text, data=shadow), list(types)[:1], misshapen) is None:
            return None
        rest = bounds.joined(np.delete(numbers, misshapen))
        fields = fast.read_good(replace(text, data=rest), types, [])
    if fields is None or fields.num_rows + len(misshapen) != len(numbers):
        return None
    read = _Read(np.delete(numbers, misshapen), fields, utf8)
    odd = _read_exactly(bounds, numbers[misshapen], list(types), reasons)
    return [read, odd] if len(odd.numbers) else [read]


def _read_exactly(bounds: Bounds, numbers: Positions, names: Sequence[str], reasons: Reasons) -> _Read:
    """Parse these records by the exact parser."""
    exact, header = Exact(bounds.text), bounds.text.header
    positions = [header.index(name) for name in names]
    rows: dict[int, list[bytes]] = {}
    faults: dict[int, Fault] = {}
    for number in numbers.tolist():
        record = exact.record(int(bounds.starts[number]), int(bounds.ends[number]))
        fault = exact.fault(record)
        if fault:
            faults[number] = fault
        else:
            rows[number] = [record.fields[i] for i in positions]
    reasons.note(
        list(faults),
        [header[fault.field] if fault.field < len(header) else None for fault in faults.values()],
        [fault.code for fault in faults.values()],
        [fault.message for fault in faults.values()],
    )
    columns = [pa.array([row[i] or None for row in rows.values()], pa.binary()) for i in range(len(positions))]
    return _Read(np.fromiter(rows, np.int64, len(rows)), pa.table(columns, names=list(names)))


def _joined(found: Sequence[_Read]) -> _Read:
    """Put records together again in their order."""
    numbers = np.concatenate([read.numbers for read in found])
    fields = pa.concat_tables([read.fields for read in found])
    if (np.diff(numbers) > 0).all():
        return _Read(numbers, fields)
    order = np.argsort(numbers)
    return _Read(numbers[order], fields.take(pa.array(order)))


def _values(read: _Read, types: Mapping[str, str], reasons: Reasons) -> pa.Table:
    """Return the fields as values; one that isn't UTF-8, or not of its column's type, is a reason, and NULL."""
    table = read.fields
    texts = {name: table[name] for name in types if pa.types.is_binary(table[name].type)}
    for name, column in texts.items():
        texts[name], broken = as_text(column, known=read.utf8)
        messages = [f"is not UTF-8 at its byte {at + 1}" for at in broken.values()]
        reasons.note(read.numbers[list(broken)], [name] * len(broken), ["encoding"] * len(broken), messages)
    values = try_cast(pa.table(texts), types)
    for name, column in texts.items():
        rows = refused(column, values[name])
        if len(rows):
            messages = wrong_type(column.take(pa.array(rows)), types[name])
            reasons.note(read.numbers[rows], pa.repeat(name, len(rows)), pa.repeat("type", len(rows)), messages)
    return pa.table([values[name] if name in texts else table[name] for name in types], names=list(types))


def _no_columns(rows: int) -> pa.Table:
    return pa.table([pa.nulls(rows)], names=[""]).select([])
