"""Planning: processor time from a job document to its plan, footers and samples read, for each TPC-H query."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks.bench_tpch import QUERIES, data_of, document_of
from benchmarks.measure import table
from tolva.jobs.documents import parse

WAYS = {"read in place": "", "spread": "in_place_bytes: 0\n"}


def times(work: Path, scale: str, rounds: int) -> str:
    """Return the table of times. The first plan of a process, which loads what the others have, isn't counted."""
    data = data_of(work, "parquet", scale)
    rows = []
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for name, sql in QUERIES.items():
        for way, how in WAYS.items():
            brief = parse(document_of({name: sql}, "parquet") + how, name).brief(data)
            brief.prepare()
            seconds = []
            for _ in range(rounds):
                began = time.process_time()
                brief.prepare()
                seconds.append(time.process_time() - began)
            found[way].append(1000 * statistics.median(seconds))
        rows.append([name, *(f"{found[way][-1]:.0f}" for way in WAYS)])
    rows.append(["median", *(f"**{statistics.median(found[way]):.0f}**" for way in WAYS)])
    rows.append(["most", *(f"**{max(found[way]):.0f}**" for way in WAYS)])
    return table(["query", *(f"{way}, ms" for way in WAYS)], rows)
