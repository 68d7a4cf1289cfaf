"""The report's lines: JSON whatever a record holds, and CSV that says the same."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tolva.formats.reject import PLACES
from tolva.ingest.report_csv import as_csv
from tolva.ingest.report_lines import report_lines

REASONS = pa.schema([("record", pa.int64()), ("column", pa.string()), ("code", pa.string()), ("message", pa.string())])
ODD = st.one_of(st.binary(max_size=20), st.text(alphabet='a"\\\t\n\r\0\x1f\x7fä€😀', max_size=20).map(str.encode))
WORDS = st.text(alphabet='a"\\\n', max_size=5)


@given(
    name=WORDS,
    raws=st.lists(ODD, min_size=1, max_size=5),
    told=st.lists(st.tuples(st.integers(0, 4), st.none() | WORDS, WORDS), max_size=6),
    block=st.integers(1, 50),
)
def test_lines_say_of_any_bytes_what_was_told(
    name: str, raws: list[bytes], told: list[tuple[int, str | None, str]], block: int
) -> None:
    told = [(record % len(raws), column, message) for record, column, message in told]
    records = pa.table([range(1, len(raws) + 1), [7 * n for n in range(len(raws))], raws], schema=PLACES)
    rows = [{"record": r, "column": c, "code": "type", "message": m} for r, c, m in told]
    lines = list(report_lines(name, pa.Table.from_pylist(rows, REASONS), records))
    written = b"".join(line for batch in lines for line in batch.to_pylist())
    found = [json.loads(line) for line in written.split(b"\n")[:-1]]
    assert found == [
        {
            "file": name,
            "line": record + 1,
            "offset": 7 * record,
            "column": column,
            "code": "type",
            "message": message,
            "raw": raws[record].decode(errors="replace"),
        }
        for record, column, message in told
    ]
    blocks = [written[at : at + block] for at in range(0, len(written), block)]
    table = csv.DictReader(io.StringIO(b"".join(as_csv(blocks)).decode(), newline=""))
    assert list(table) == [{k: "" if v is None else str(v) for k, v in line.items()} for line in found]
