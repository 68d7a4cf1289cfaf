"""Good records as an object of their table: Parquet, and what is to be known of it without reading it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tolva.formats.arrow import arrow_type
from tolva.ingest.coding import Column, common, compact, is_coded, repeats

_CODEC = "snappy"
_SAMPLE_BYTES = 64 * 2**10
_BOUNDED = (pa.types.is_integer, pa.types.is_date, pa.types.is_decimal, pa.types.is_timestamp)


def as_parquet(records: pa.Table, columns: Iterable[tuple[str, str]]) -> pa.Buffer:
    """Return these columns, given by name and type, of records as a Parquet file."""
    kinds = dict(columns)
    table = pa.table({name: _storable(records[name], arrow_type(kind)) for name, kind in kinds.items()})
    often = {name for name in kinds if is_coded(table[name]) or repeats(table[name])}
    # Where values don't come again, looking for them in a dictionary is in vain; and the least and the greatest
    # of texts that do come again take more time to find than they ever save.
    told = [name for name in kinds if name not in often or not _is_text(table.schema.field(name).type)]
    sink = pa.BufferOutputStream()
    packed = _packed(table, often)
    pq.write_table(table, sink, use_dictionary=list(often), write_statistics=told, compression=packed)
    return sink.getvalue()


def bounds_of(table: pa.Table) -> dict[str, list[str]]:
    """Return the least and the greatest value of the columns where that is cheap to know."""
    bounds = {}
    for name in table.column_names:
        if any(test(table.schema.field(name).type) for test in _BOUNDED):
            both = pc.min_max(common(table[name])).as_py()
            if both["min"] is not None:
                bounds[name] = [str(both["min"]), str(both["max"])]
    return bounds


def _storable(column: pa.ChunkedArray, kind: pa.DataType) -> Column:
    return compact(column.combine_chunks()) if is_coded(column) else column.cast(kind)


def _packed(table: pa.Table, often: Collection[str]) -> dict[str, str]:
    """Return how columns are compressed: not at all where that saves less than a fifth, but takes most of the time."""
    return {name: _CODEC if name in often or _packs(table[name]) else "none" for name in table.column_names}


def _packs(column: pa.ChunkedArray) -> bool:
    """Whether the start of a column as it lies in memory gets a fifth smaller. Random text, such as UUIDs, doesn't."""
    values = column.chunk(0).buffers()[-1]
    start = b"" if values is None else bytes(memoryview(values)[:_SAMPLE_BYTES])
    return len(pa.compress(start, codec=_CODEC, asbytes=True)) * 5 < len(start) * 4


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))
