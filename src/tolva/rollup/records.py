"""A record as one line of NDJSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tolva.errors import RecordError

# Made once: json.dumps would make one for every record.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Record = Mapping[str, Any] | str | bytes


def encode(record: Record) -> bytes:
    """Return the record as one line, newline included. A mapping becomes JSON; a line is taken as it is.

    Raises:
        RecordError: the mapping has values JSON doesn't know, or the line is none, several, or not Unicode.
    """
    if isinstance(record, bytes):
        line = record
    else:
        try:
            line = (record if isinstance(record, str) else _to_json(record)).encode()
        except (TypeError, ValueError) as error:
            raise RecordError(f"a record can't be written as JSON: {error}. Convert such values first.") from error
    if not line.endswith(b"\n"):
        line += b"\n"
    if line.find(b"\n") != len(line) - 1 or not line.strip():
        raise RecordError(
            f"{line[:80]!r} is not one record in one line: write each record by itself, without newlines."
        )
    return line


def _to_json(record: Mapping[str, Any]) -> str:
    return _ENCODER.encode(dict(record))
