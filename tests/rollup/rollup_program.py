"""What the processes do that the kill tests start: write, aggregate, live a whole job. Each can be killed anywhere."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

from tolva import crash
from tolva.rollup import Rollup

MAX_BYTES = 3000
MAX_WAITING_FILES = 60


def open_rollup(root: Path) -> Rollup:
    return Rollup(root, "job", "Z9000", MAX_BYTES, 2)


def crash_at(point: str, hit: int) -> None:
    crash._name, crash._fatal_hit = point, hit
    # A killed process leaves its writes to the kernel, synced or not: the disk would only slow this down.
    os.fsync = lambda fd: None  # noqa: ARG005 - named as the one it replaces


def write_stream(rollup: Rollup, rng: random.Random, *, errors: bool) -> None:
    """Write one stream of a new name, and say in the log that it is closed, and how long it was."""
    name, count = uuid.uuid4().hex, rng.randrange(1, 30)
    with rollup.stream(errors=errors) as stream:
        for number in range(count):
            stream.write({"stream": name, "n": number, "errors": errors, "x": "x" * rng.randrange(400)})
    fd = os.open(rollup.path.parent / "closed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{name} {count}\n".encode())
    os.close(fd)


def write_forever(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    rollup = open_rollup(root)
    while True:
        while sum(1 for _ in (rollup.path / "finished").iterdir()) > MAX_WAITING_FILES:
            time.sleep(0.001)
        write_stream(rollup, rng, errors=rng.random() < 0.2)


def aggregate(root: Path) -> None:
    open_rollup(root).run(0.001)


def live(root: Path, point: str = "", hit: int = 1) -> None:
    """Live a whole job, from whatever state it is in, through every crash point but those of cancelling."""
    crash_at(point, hit)
    rollup = open_rollup(root)
    rollup.prepare()
    rng = random.Random(1)
    with suppress(LookupError), rollup.stream() as stream:
        stream.write({"stream": "discarded", "n": 0})
        raise LookupError
    (rollup.path / "finished" / "empty").touch()
    (rollup.path / "streaming" / "left by a killed writer").write_bytes(b'{"stream":')
    for number in range(6):
        write_stream(rollup, rng, errors=number % 3 == 0)
    rollup.aggregate()
    (rollup.path / ".Z9000_0099.ndjson.building").write_bytes(b"left by a killed aggregator")
    rollup.aggregate()
    end_foreign_file(rollup)
    rollup.finish()
    rollup.run()


def end_foreign_file(rollup: Rollup) -> None:
    """Finish a file without a final newline, once: its name tells whether that was done before."""
    done, written = rollup.path.parent / "foreign done", rollup.path / ".foreign"
    if not done.exists():
        written.write_bytes(b'{"stream":"foreign","n":0,"errors":false}')
        written.rename(rollup.path / "finished" / "foreign")
        done.touch()


def cancel(root: Path, point: str = "", hit: int = 1) -> None:
    crash_at(point, hit)
    open_rollup(root).cancel()


def closed_streams(root: Path) -> list[str]:
    """Return the log: the name and length of every stream that was closed."""
    log = root / "closed"
    return log.read_text().splitlines() if log.exists() else []


def check_parts(root: Path, parts: list[Path]) -> Counter[str]:
    """Assert that the parts hold every closed stream whole and nothing twice; return the records of each stream."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for part in parts:
        content = part.read_bytes()
        assert len(content) <= MAX_BYTES
        assert content.endswith(b"\n")
        for line in content.splitlines():
            record = json.loads(line)
            found[record["stream"]].append(record["n"])
            assert record["errors"] == ("_error" in part.name)
    counts = Counter({name: len(numbers) for name, numbers in found.items()})
    for name, numbers in found.items():
        # A stream that was killed after it rolled over has its first files finished.
        assert sorted(numbers) == list(range(counts[name])), f"stream {name} has {sorted(numbers)}"
    for entry in closed_streams(root):
        closed, length = entry.split()
        assert counts[closed] == int(length), f"stream {closed} had {length} records, {counts[closed]} found"
    return counts
