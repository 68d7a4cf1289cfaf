"""``python -m benchmarks``: run all measurements, or those named, and print Markdown."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    bench_export,
    bench_ingest,
    bench_planning,
    bench_rollup,
    bench_server,
    bench_small_server,
    bench_tasks,
    bench_tpch,
    four_questions,
    load,
    small_things,
)
from benchmarks.measure import awake, machine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="sections to run; default: all")
    parser.add_argument("--transactions", type=int, default=4_000_000)
    parser.add_argument("--memory-transactions", type=int, default=14_623_691)
    parser.add_argument("--clients", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder to keep the data in between calls")
    asked = parser.parse_args()
    with awake(), tempfile.TemporaryDirectory(prefix="tolva-bench-") as temporary:
        work: Path = asked.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        sections: dict[str, tuple[str, Callable[[], str]]] = {
            "questions": (
                f"The four questions, {asked.transactions:,} transactions",
                lambda: four_questions.speed(work, transactions=asked.transactions, rounds=asked.rounds),
            ),
            "memory": ("Memory", lambda: four_questions.memory(work, transactions=asked.memory_transactions)),
            "small": ("Small things", lambda: small_things.speed(rounds=asked.rounds)),
            "rollup": ("Roll-up", lambda: bench_rollup.measure(work / "rollup", 2 * 2**30, 1000, asked.rounds)),
            "ingest": (
                f"A client file of {asked.clients:,} lines, a fifth of them bad, into a stored table",
                lambda: bench_ingest.dirty(work, rows=asked.clients, rounds=asked.rounds),
            ),
            "sorting": (
                f"Sorting alone: {asked.clients:,} lines in chunks, good ones into Parquet, bad ones with their places",
                lambda: bench_ingest.sorting(work, rows=asked.clients, rounds=asked.rounds),
            ),
            "ingest_clean": (
                f"Clean CSV, {asked.transactions:,} transactions, into a stored table",
                lambda: bench_ingest.clean(work, transactions=asked.transactions, rounds=asked.rounds),
            ),
            "small_server": (
                f"A client file of {asked.clients:,} lines sent to a server of {bench_small_server.MEMORY}",
                lambda: bench_small_server.measure(work, rows=asked.clients),
            ),
            "export": ("Export", lambda: bench_export.speed(work, rounds=asked.rounds)),
            "server": (
                f"Through a server: the four questions, {asked.transactions:,} transactions",
                lambda: bench_server.uploading(work, transactions=asked.transactions, rounds=asked.rounds),
            ),
            "server_small": ("Through a server: small jobs", lambda: bench_server.small_jobs(work)),
            "load": ("A crowd at a server", lambda: load.crowd(work, transactions=asked.transactions)),
            "queue": ("One small job beside 10,000 tasks", lambda: load.queue(work)),
            "tasks": ("Ten thousand empty tasks", lambda: bench_tasks.speed(work, asked.rounds)),
            "tpch": (
                "TPC-H at scale factor 1, from Parquet, in one running engine each",
                lambda: bench_tpch.in_one_engine(work, "parquet", "1", asked.rounds),
            ),
            "tpch_stored": (
                "TPC-H at scale factor 1, from stored tables, in one running engine each",
                lambda: bench_tpch.in_one_engine(work, "stored", "1", asked.rounds),
            ),
            "tpch_csv": (
                "TPC-H at scale factor 1, from CSV, in one running engine each",
                lambda: bench_tpch.in_one_engine(work, "csv", "1", asked.rounds),
            ),
            "tpch_commands": (
                "TPC-H at scale factor 1, from Parquet, as whole commands",
                lambda: bench_tpch.as_commands(work, "1", asked.rounds),
            ),
            "planning": (
                "Planning TPC-H at scale factor 1, from Parquet, processor time",
                lambda: bench_planning.times(work, "1", asked.rounds),
            ),
            "export_memory": ("Memory of an export", lambda: bench_export.memory(work)),
        }
        print(f"{machine()}; warm cache, median of {asked.rounds}\n")
        for name in asked.names or sections:
            title, run = sections[name]
            print(f"### {title}\n\n{run()}\n", flush=True)


if __name__ == "__main__":
    main()
