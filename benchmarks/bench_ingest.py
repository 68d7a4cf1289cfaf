"""Files into stored tables: `tolva ingest`, with its report, against DuckDB scripts that only convert."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from random import Random

from benchmarks.measure import Command, in_turn, ratios, table
from tolva.clients.generate import generate as generate_clients
from tolva.coffee.generate import generate as generate_coffee

OURS = "`tolva ingest`"
SORTING = "`formats.sort_out`, and Parquet"
_BAD_DATES = ("0000-00-00", "99/99/9999", "x")
_DISTINCT = 100_000
_REJECTED = 3


def dirty(work: Path, *, rows: int, rounds: int, share: float = 0.2) -> str:
    """Return the times for a client file with that share of bad records."""
    folder = work / f"clients-{rows}"
    if not folder.exists():
        generate_clients(folder, rows=rows, dirty=share, seed=0)
    source = folder / "clients.dat"
    ours: list[str | Path] = [source, "--document", folder / "clients.yaml", "--allow-again", "--mode", "replace"]
    rivals = {"DuckDB, TRY_CAST": [_rival("duckdb_try_cast.py"), source, work / "clients.parquet"]}
    return _compared(work, source.stat().st_size, ours, rivals, rounds)


def clean(work: Path, *, transactions: int, rounds: int) -> str:
    """Return the times for clean CSV files."""
    folder = work / f"coffee-{transactions}"
    if not folder.exists():
        generate_coffee(folder, transactions=transactions)
    files = sorted((folder / "transactions").glob("*.csv"))
    ours: list[str | Path] = [*files, "--into", "transactions", "--allow-again", "--mode", "replace"]
    rivals = {"DuckDB, COPY": [_rival("duckdb_copy.py"), folder / "transactions/*.csv", work / "transactions.parquet"]}
    return _compared(work, sum(file.stat().st_size for file in files), ours, rivals, rounds)


def sorting(work: Path, *, rows: int, rounds: int) -> str:
    """Return the times for sorting alone: a file with a fifth of bad dates, and the same without."""
    tables = []
    for share in (0.2, 0.0):
        source = work / f"sorting-{rows}-{share}.dat"
        if not source.exists():
            _write_clients(source, rows, share)
        commands: dict[str, Command] = {
            SORTING: [sys.executable, "-m", "benchmarks.sort_out", source, work / "sorted"],
            "DuckDB, TRY_CAST": [sys.executable, _rival("duckdb_try_cast_iso.py"), source, work / "cast.parquet"],
        }
        seconds = in_turn(commands, rounds, before=lambda _: None)
        title = f"{share:.0%} bad"
        tables.append(_ratios(title, source.stat().st_size, seconds, SORTING))
    return "\n\n".join(tables)


def _write_clients(path: Path, rows: int, share: float) -> None:
    random = Random(0)  # noqa: S311 - made-up data
    lines = [
        f"Nombre{i} Segundo{i % 977}|Apellido{i % 1013} Otro{i % 331}|{20_000_000 + i}|{('Activo', 'Inactivo')[i % 2]}|"
        f"{random.choice(_BAD_DATES) if random.random() < share else date(2010 + i % 15, 1 + i % 12, 1 + i % 28)}|"
        f"{('true', 'false')[i % 3 == 0]}|{('true', 'false')[i % 5 > 0]}\n"
        for i in range(_DISTINCT)
    ]
    with path.open("w") as file:
        for _ in range(rows // _DISTINCT):
            file.writelines(lines)


def _rival(script: str) -> Path:
    return Path(__file__).parent / "rivals" / script


def _compared(work: Path, size: int, ours: list[str | Path], rivals: dict[str, list[Path]], rounds: int) -> str:
    tolva = Path(sys.executable).with_name("tolva")
    state, output = work / "ingest-state", work / "ingest-output"
    commands: dict[str, Command] = {
        OURS: [tolva, "ingest", *ours, "--state", state, "--output", output, "-q"],
        **{name: [sys.executable, *words] for name, words in rivals.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            shutil.rmtree(output, ignore_errors=True)
            began = time.perf_counter()
            done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=False)
            took = time.perf_counter() - began
            assert done.returncode in (0, _REJECTED), command
            if turn:
                seconds[name].append(took)
            print(f"  round {turn}: {name} {took:.2f} s", file=sys.stderr)
    return _ratios("system", size, seconds, OURS)


def _ratios(title: str, size: int, seconds: dict[str, list[float]], ours: str) -> str:
    over = ratios(seconds, ours)
    rows = [
        [
            name,
            f"{statistics.median(times):.2f}",
            f"{size / statistics.median(times) / 2**20:,.0f}",
            f"{over[name]:.2f}" if name in over else "",
        ]
        for name, times in seconds.items()
    ]
    return table([title, "wall seconds (median)", "MB/s", "tolva's time over it"], rows)
