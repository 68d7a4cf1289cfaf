"""The four questions over 4 million transactions: tolva against DuckDB and Polars scripts."""

from __future__ import annotations

import csv
import shutil
import statistics
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from benchmarks.measure import Command, in_turn, peak_bytes, ratios, table
from tolva.coffee import four_questions
from tolva.coffee.generate import generate

RIVALS = {
    "DuckDB, four scans": "duckdb_four_scans.py",
    "DuckDB, load then ask": "duckdb_load_then_ask.py",
    "Polars, one shared lazy scan": "polars_shared_scan.py",
}
OURS = "tolva run"

_QUERIES = ("q1", "q2_quantity", "q2_profit", "q3", "q4")


def speed(work: Path, *, transactions: int, rounds: int) -> str:
    """Return the table of wall times and ratios; AssertionError if the answers differ."""
    data, document = _prepared(work, transactions)
    commands: dict[str, Command] = {OURS: _tolva(document, data, work / OURS, work / "state")}
    for name, script in RIVALS.items():
        path = Path(__file__).parent / "rivals" / script
        commands[name] = [sys.executable, path, document, data, work / name]
    seconds = in_turn(commands, rounds, before=lambda name: shutil.rmtree(work / name, ignore_errors=True))
    answers = {name: _answers(work / name) for name in commands}
    for name in RIVALS:
        assert answers[name] == answers[OURS], f"{name} has another answer"
    over = ratios(seconds, OURS)
    size = sum(f.stat().st_size for f in data.rglob("*.csv"))
    rows = [
        [
            name,
            f"{statistics.median(times):.2f}",
            f"{size / statistics.median(times) / 2**20:,.0f}",
            f"{over[name]:.2f}" if name in over else "",
        ]
        for name, times in seconds.items()
    ]
    return table(["system", "wall seconds (median)", "MB/s", "tolva's time over it"], rows)


def memory(work: Path, *, transactions: int) -> str:
    """Return the table of peak memory at a quarter of the size and at the whole."""
    rows = []
    for count in (transactions // 4, transactions):
        data, document = _prepared(work, count)
        size = sum(f.stat().st_size for f in data.rglob("*.csv"))
        peak = peak_bytes(_tolva(document, data, work / "memory", work / "state"))
        rows.append([f"{count:,}", f"{size / 2**30:.2f} GB", f"{peak / 2**20:,.0f} MB"])
        shutil.rmtree(data)
    return table(["transactions", "input", "peak of all processes together"], rows)


def _prepared(work: Path, transactions: int) -> tuple[Path, Path]:
    data, document = work / f"coffee-{transactions}", work / "four_questions.yaml"
    generate(data, transactions=transactions)
    document.write_text(four_questions())
    return data, document


def _tolva(document: Path, data: Path, output: Path, state: Path) -> Command:
    command = Path(sys.executable).with_name("tolva")
    return [command, "run", document, "--data", data, "--output", output, "--state", state, "-q"]


def _answers(folder: Path) -> dict[str, list[list[object]]]:
    found = {}
    for query in _QUERIES:
        records: list[list[object]] = []
        for part in sorted(folder.glob(f"{query}_*.csv")):
            with part.open(newline="") as file:
                records += [[_value(cell) for cell in record] for record in list(csv.reader(file))[1:]]
        found[query] = sorted(records, key=str)
    return found


def _value(cell: str) -> object:
    try:
        return Decimal(cell).normalize()
    except InvalidOperation:
        return cell
