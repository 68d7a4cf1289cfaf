"""An export of many keys with a slow source, against the time that its fetchers can't do without.

The ideal is keys x latency / fetchers: what fetching takes when nothing else costs anything. Beside it, in turn with
it, bare threads fetch the same from the same source, and commit nothing.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import peak_bytes, table
from tolva.catalogs.sqlite import SqliteCatalog

WORKERS = 2


def speed(work: Path, *, rounds: int, keys: int = 20_000, latency_ms: float = 5, fetchers: int = 64) -> str:
    """Return the table of times over the ideal, for the job alone and for the whole command."""
    ideal = keys * latency_ms / 1000 / fetchers
    seconds: dict[str, list[float]] = {"bare threads": [], "the job": [], "`tolva run`, start included": []}
    for _ in range(rounds):
        command, state = _prepared(work, keys=keys, latency_ms=latency_ms, fetchers=fetchers)
        seconds["bare threads"].append(_bare_seconds(work, fetchers))
        seconds["`tolva run`, start included"].append(_seconds(command))
        seconds["the job"].append(_job_seconds(state))
    rows = [
        [what, f"{statistics.median(took):.2f} s", f"{statistics.median(took) / ideal:.2f}", f"{min(took) / ideal:.2f}"]
        for what, took in seconds.items()
    ]
    title = f"{keys:,} keys, {latency_ms:g} ms each, {fetchers} fetchers in {WORKERS} processes: ideal {ideal:.2f} s"
    return table([title, "median", "over the ideal", "best, over the ideal"], rows)


def memory(work: Path, *, keys: int = 20_000) -> str:
    """Return the table of peak memory for some keys, and for ten times as many."""
    rows = []
    for count in (keys, 10 * keys):
        command, _ = _prepared(work, keys=count, latency_ms=0, fetchers=32)
        rows.append([f"{count:,}", f"{peak_bytes(command) / 2**20:,.0f} MB", f"{_result_bytes(work) / 2**20:,.0f} MB"])
    return table(["keys", "peak memory", "result"], rows)


def _prepared(work: Path, *, keys: int, latency_ms: float, fetchers: int) -> tuple[list[str | Path], Path]:
    folder, state = work / "export", work / "export" / "state"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "keys.txt").write_text("".join(f"{number:09}\n" for number in range(keys)))
    document = {
        "kind": "export",
        "keys": {"file": "keys.txt"},
        "source": {"kind": "claims", "claims_per_key": 2, "latency_ms": latency_ms},
        "fetchers": fetchers // WORKERS,
    }
    (folder / "job.json").write_text(json.dumps(document))
    tolva = Path(sys.executable).with_name("tolva")
    command: list[str | Path] = [tolva, "run", folder / "job.json", "--data", folder, "--output", folder / "out"]
    return [*command, "--state", state, "--workers", str(WORKERS), "--quiet"], state


def _bare_seconds(work: Path, fetchers: int) -> float:
    folder = work / "export"
    source = json.dumps(json.loads((folder / "job.json").read_text())["source"])
    rival = Path(__file__).parent / "rivals" / "bare_threads.py"
    words = [rival, folder / "keys.txt", source, WORKERS, fetchers // WORKERS, folder / "bare"]
    done = subprocess.run([sys.executable, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _seconds(command: list[str | Path]) -> float:
    began = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _job_seconds(state: Path) -> float:
    catalog = SqliteCatalog(state / "catalog.db")
    (job,) = catalog.jobs()
    catalog.close()
    assert job.started_at
    assert job.completed_on
    return job.completed_on - job.started_at


def _result_bytes(work: Path) -> int:
    return sum(path.stat().st_size for path in (work / "export" / "out").glob("*.ndjson"))
