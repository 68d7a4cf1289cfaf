"""Takes the lines of a chunk apart, by whole columns, and sorts good records from bad ones.

A record is bad when it is too short or too long, isn't UTF-8, or has a value that isn't of its column's type. Spaces
around a value are none of it, and an empty value is NULL; types are what DuckDB's CAST makes of texts, as in delimited
files.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tolva.errors import RecordError
from tolva.formats.delimited.bounds import Bounds, Positions, bounds_of
from tolva.formats.delimited.casting import refused, try_cast
from tolva.formats.delimited.faults import wrong_type
from tolva.formats.delimited.text import Text
from tolva.formats.fixed_width.places import Fields
from tolva.formats.reasons import Reasons
from tolva.formats.reject import Sorted, listed
from tolva.formats.utf8 import as_text


def read_chunk(text: Text, fields: Fields, types: Mapping[str, str]) -> pa.Table:
    """Return the columns of a chunk. RecordError for the first record that can't be read so."""
    found = sort_out(text, fields, types)
    first = next(listed(text.origin.name, found.rejects), None)
    if first is None:
        return found.rows
    words = f"column {first.column}: {first.message}" if first.column else f"the record {first.message}"
    raise RecordError(
        f"{text.origin.name}:{first.line}: {words}; mend the record, or declare other positions or types",
        file=text.origin.name,
        line=first.line,
        byte_offset=first.offset,
        column=first.column,
        reason=first.code,
    )


def sort_out(text: Text, fields: Fields, types: Mapping[str, str]) -> Sorted:
    """Sort a chunk's records; see ``Format.sort_out``."""
    bounds, reasons = bounds_of(text), Reasons()
    numbers = np.arange(len(bounds))
    lines = _lines(bounds, fields, reasons)
    whole = np.setdiff1d(numbers, reasons.records(), assume_unique=True)
    texts = {name: _field(lines, fields, name) for name in types}
    rows = _cast(texts, types, whole, lines, reasons)
    good = np.setdiff1d(numbers, reasons.records(), assume_unique=True)
    kept = rows.filter(pa.array(np.isin(whole, good))) if len(good) < len(whole) else rows
    return Sorted(
        rows=kept.select(list(types)),
        rejects=reasons.rejects(bounds.places),
        records=len(bounds),
        places=lambda at: bounds.places(good[np.asarray(at, np.int64)]),
    )


def _lines(bounds: Bounds, fields: Fields, reasons: Reasons) -> pa.ChunkedArray:
    """Return the records of the right length, as text or as bytes if places count those; others get their reason."""
    numbers = np.arange(len(bounds))
    lines = pa.chunked_array([bounds.raw(numbers)])
    if fields.by_bytes:
        sizes = pc.binary_length(lines)
    else:
        lines, broken = as_text(lines.cast(pa.binary()))
        words = [f"is not UTF-8 at its byte {at + 1}" for at in broken.values()]
        _note(reasons, np.fromiter(broken, np.int64, len(broken)), "encoding", words)
        sizes = pc.utf8_length(lines)
    widths = sizes.fill_null(fields.min_width).to_numpy()
    unit = "bytes" if fields.by_bytes else "characters"
    expected = fields.min_width if fields.max_width is not None else f"at least {fields.min_width}"
    longest = len(bounds.text.data) if fields.max_width is None else fields.max_width
    for code, bad in (("short", widths < fields.min_width), ("long", widths > longest)):
        found = np.flatnonzero(bad)
        _note(reasons, found, code, [f"has {widths[n]} {unit}, expected {expected}" for n in found])
    good = np.isin(numbers, reasons.records(), invert=True)
    return lines if good.all() else lines.filter(pa.array(good))


def _note(reasons: Reasons, numbers: Positions, code: str, words: list[str]) -> None:
    reasons.note(numbers, [None] * len(words), [code] * len(words), words)


def _field(lines: pa.ChunkedArray, fields: Fields, name: str) -> pa.ChunkedArray:
    start, end = fields.places[name]
    if fields.by_bytes:
        return pc.binary_slice(lines, start, end).cast(pa.binary())
    return pc.utf8_slice_codeunits(lines, start, end)


def _cast(
    fields: Mapping[str, pa.ChunkedArray],
    types: Mapping[str, str],
    numbers: Positions,
    lines: pa.ChunkedArray,
    reasons: Reasons,
) -> pa.Table:
    """Return the fields as values; what can't be one is a reason, and NULL."""
    if not types:
        # A table without columns forgets how many rows it has.
        return pa.table({"": pa.nulls(len(lines))})
    texts = {name: _trimmed(field, name, numbers, reasons) for name, field in fields.items()}
    values = try_cast(pa.table(texts), types)
    for name, kind in types.items():
        rows = refused(texts[name], values[name])
        if len(rows):
            words = wrong_type(texts[name].take(pa.array(rows)), kind)
            reasons.note(numbers[rows], pa.repeat(name, len(rows)), pa.repeat("type", len(rows)), words)
    return values


def _trimmed(field: pa.ChunkedArray, name: str, numbers: Positions, reasons: Reasons) -> pa.ChunkedArray:
    if pa.types.is_binary(field.type):
        field, broken = as_text(field)
        words = [f"is not UTF-8 at its byte {at + 1}" for at in broken.values()]
        bad = numbers[np.fromiter(broken, np.int64, len(broken))]
        reasons.note(bad, [name] * len(words), ["encoding"] * len(words), words)
    text = pc.utf8_trim(field, characters=" ")
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
