"""The report's lines: a JSON object for each reason, made by whole columns."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BATCH_ROWS = 16_384
"""How many lines are made at once: a record is repeated for each of its reasons, so all together may be very long."""


def report_lines(file: str, reasons: pa.Table, records: pa.Table) -> Iterator[pa.Array]:
    """Yield the lines (binary, ends included) of reasons, in their order.

    Args:
        file: the name of the file for people.
        reasons: ``record`` (a row of ``records``), ``column``, ``code``, ``message``.
        records: where each record is, as ``PLACES``.
    """
    raw = _escaped(_as_text(records["raw"]))
    records = records.set_column(records.column_names.index("raw"), "raw", raw)
    start = f'{{"file":{json.dumps(file, ensure_ascii=False)},"line":'
    for at in range(0, reasons.num_rows, _BATCH_ROWS):
        given = reasons.slice(at, _BATCH_ROWS).combine_chunks()
        of = records.take(given["record"]).combine_chunks()
        column = pc.fill_null(pc.binary_join_element_wise('"', _escaped(given["column"]), '"', ""), "null")
        told = (given["code"], '","message":"', _escaped(given["message"]), '","raw":"', of["raw"], '"}\n')
        places = (start, of["line"].cast(pa.string()), ',"offset":', of["offset"].cast(pa.string()))
        lines = pc.binary_join_element_wise(*places, ',"column":', column, ',"code":"', *told, "")
        yield from lines.cast(pa.binary()).chunks


def _as_text(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bytes as text; what isn't UTF-8 shows as the replacement character."""
    try:
        return raw.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.chunked_array([pa.array([b.decode(errors="replace") for b in raw.to_pylist()], pa.string())])


def _escaped(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts as they stand between the quotes of JSON."""
    for character in _to_escape(texts):
        texts = pc.replace_substring(texts, character, json.dumps(character)[1:-1])
    return texts


def _to_escape(texts: pa.ChunkedArray) -> list[str]:
    """Return the characters in these texts that JSON wants escaped, the one that escapes first."""
    found: set[int] = set()
    for chunk in texts.chunks:
        _, offsets, data = chunk.buffers()
        if data is None or not len(chunk):
            continue
        first, last = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
        held = bytes(memoryview(data)[first:last])
        found.update(code for code in b'"\\' if code in held)
        if held and np.frombuffer(held, np.uint8).min() < ord(" "):
            found.update(code for code in range(ord(" ")) if code in held)
    return sorted(map(chr, found), key=lambda character: character != "\\")
