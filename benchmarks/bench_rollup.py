"""Roll up 1,000 finished files, 2 GB in all, against ``cat`` of the same files into as many outputs.

The roll-up syncs every part before it deletes the inputs; a bare ``cat`` leaves its outputs in memory. So each is
measured both ways: with and without syncing. Only the roll-up deletes its inputs. All inputs are in the page cache and
on disk when a clock starts. Run: ``python benchmarks/bench_rollup.py``; TMPDIR chooses the disk.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MAX_PART_BYTES = 200 * 2**20
ROLL_UP = """
import os, re, sys, time
if sys.argv[3] == "unsynced":
    os.fsync = os.posix_fadvise = lambda *_: None
from tolva.rollup import roll_up
started = time.perf_counter()
roll_up(sys.argv[1], prefix="B", max_bytes=int(sys.argv[2]))
took = time.perf_counter() - started
# Not ru_maxrss: that begins with the size of the parent at the fork.
print(took, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, check that the results are equal, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=2000, help="size of all files together, in MB")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench_rollup_") as folder:
        print(measure(Path(folder), options.mb * 10**6, options.files, options.rounds))


def measure(folder: Path, total_bytes: int, files: int, rounds: int) -> str:
    sources = make_files(folder / "sources", total_bytes, files)
    max_bytes = min(MAX_PART_BYTES, total_bytes // 4)
    groups = greedy_groups(sources, max_bytes)
    seconds: dict[str, list[float]] = {"cat": [], "roll-up, unsynced": [], "cat, then sync": [], "roll-up": []}
    peak_mb = 0.0
    for _ in range(rounds):
        for sync, cat_row, roll_up_row in ((False, "cat", "roll-up, unsynced"), (True, "cat, then sync", "roll-up")):
            job, outputs = folder / "job", folder / "outputs"
            (job / "finished").mkdir(parents=True)
            outputs.mkdir()
            for source in sources:
                shutil.copyfile(source, job / "finished" / source.name)
            os.sync()
            started = time.perf_counter()
            cat(groups, outputs, sync=sync)
            seconds[cat_row].append(time.perf_counter() - started)
            os.sync()
            took, peak = roll_up(job, max_bytes, sync=sync)
            seconds[roll_up_row].append(took)
            peak_mb = max(peak_mb, peak)
            check_equal(job, outputs)
            shutil.rmtree(outputs)
            shutil.rmtree(job)
    return table(seconds, total_bytes, files, len(groups), peak_mb)


def make_files(folder: Path, total_bytes: int, files: int) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run in the same folder
    folder.mkdir(parents=True)
    rng = random.Random(7)  # noqa: S311 - test data
    line = b'{"id":"%032d","amount":12.345,"text":"' + b"claim " * 20 + b'"}\n'
    lines = b"".join(line % rng.randrange(10**32) for _ in range(1000))
    length = len(line % 0)
    for number in range(files):
        count = max(1, round(total_bytes / files / length * rng.uniform(0.5, 1.5)))
        with (folder / f"{number:05}.ndjson").open("wb") as file:
            for start in range(0, count, 1000):
                file.write(lines[: min(1000, count - start) * length])
    return sorted(folder.iterdir())


def greedy_groups(files: Sequence[Path], max_bytes: int) -> list[list[Path]]:
    left = sorted(files, key=lambda file: (-file.stat().st_size, file.name))
    groups = []
    while left:
        group, room = [], max_bytes
        for file in left:
            if file.stat().st_size <= room:
                group.append(file)
                room -= file.stat().st_size
        groups.append(group)
        left = [file for file in left if file not in set(group)]
    return groups


def roll_up(job: Path, max_bytes: int, *, sync: bool) -> tuple[float, float]:
    command = [sys.executable, "-c", ROLL_UP, str(job), str(max_bytes), "synced" if sync else "unsynced"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    took, peak_mb = map(float, result.stdout.split())
    return took, peak_mb


def cat(groups: Sequence[Sequence[Path]], outputs: Path, *, sync: bool) -> None:
    for number, group in enumerate(groups, 1):
        output = outputs / f"B_{number:04}.ndjson"
        with output.open("wb") as file:
            subprocess.run(["cat", *group], stdout=file, check=True)
        if sync:
            subprocess.run(["sync", output], check=True)


def check_equal(job: Path, outputs: Path) -> None:
    names = sorted(output.name for output in outputs.iterdir())
    assert names == sorted(part.name for part in job.iterdir())
    assert all(filecmp.cmp(job / name, outputs / name, shallow=False) for name in names)


def table(seconds: dict[str, list[float]], total_bytes: int, files: int, parts: int, peak_mb: float) -> str:
    medians = {what: statistics.median(took) for what, took in seconds.items()}
    rounds = len(seconds["cat"])
    rows = [
        (
            f"| {total_bytes / 1e6:,.0f} MB, {files:,} files, {parts} parts | median of {rounds} | MB/s "
            "| over cat | over cat, then sync |"
        ),
        "|---|---|---|---|---|",
    ]
    for what, took in medians.items():
        ratios = f"{took / medians['cat']:.2f} | {took / medians['cat, then sync']:.2f}"
        rows.append(f"| {what} | {took:.2f} s | {total_bytes / 1e6 / took:,.0f} | {ratios} |")
    rows.append("")
    rows.append(f"Peak memory of the roll-up: {peak_mb:.0f} MB. Parts equal to the outputs of cat, byte for byte.")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
