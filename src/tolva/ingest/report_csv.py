"""The report as CSV: made of its NDJSON lines, by whoever asks for it. Light, for a server's process does it too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from tolva.storage import Buffer

HEADER = b"file,line,offset,column,code,message,raw\n"


def csv_line(line: bytes) -> bytes:
    """Return a line of the report, which is JSON, as a line of CSV."""
    text = io.StringIO()
    # All text is quoted: a lone CR, which a raw record may hold, wouldn't be otherwise.
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerow(json.loads(line).values())
    return text.getvalue().encode()


def as_csv(blocks: Iterable[Buffer]) -> Iterator[bytes]:
    """Yield a whole report, given block by block as NDJSON, as CSV with its header."""
    yield HEADER
    rest = b""
    for block in blocks:
        *lines, rest = (rest + bytes(block)).split(b"\n")
        yield b"".join(map(csv_line, lines))
