"""Fetched lines become runs, runs become parts: whole lines, each once, never over the cap."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tolva.errors import ExecutionError
from tolva.export import compose
from tolva.export.runs import RunWriter
from tolva.export.settings import CheckSettings, ComposeSettings
from tolva.fit import best_fit
from tolva.model import Claim, Part, Partial, Segment
from tolva.plan import Plan, Role, Stage
from tolva.rollup.sinks import GzipSink, PlainSink
from tolva.storages.local import LocalStorage
from tolva.work.kernel import Errand


def line(number: int, size: int) -> bytes:
    return json.dumps({"n": number, "x": "x" * size}).encode() + b"\n"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStorage]:
    with pytest.MonkeyPatch.context() as patch:
        # Durability is the storage's own promise; here it would only cost time.
        patch.setattr(os, "fsync", lambda _fd: None)
        yield LocalStorage(tmp_path_factory.mktemp("storage"))


def compose_all(storage: LocalStorage, tasks: Sequence[Sequence[bytes]], max_bytes: int, *, zipped: bool) -> list[Part]:
    sink = GzipSink if zipped else PlainSink
    found = [
        RunWriter(max_bytes, sink).store(storage, f"{number}/partial", [("errors", lines)])
        for number, lines in enumerate(tasks)
    ]
    partials: tuple[Partial, ...] = tuple(partial for partial in found if partial)
    told = ComposeSettings("Z9000", errors=True, gzip=zipped)
    runs = [Waiting(partial, segment) for partial in partials for segment in partial.segments]
    parts: list[Part] = []
    while runs:
        # As the catalog does when no more runs will come.
        chosen = best_fit(runs, max_bytes)
        runs = [run for run in runs if run not in chosen]
        taken = tuple(replace(run.partial, segments=(run.segment,)) for run in chosen)
        parts += compose.run(errand(storage, told.to_json(), taken, ordinal=len(parts))).parts
    return parts


def errand(storage: LocalStorage, told: dict[str, Any], partials: tuple[Partial, ...], ordinal: int = 0) -> Errand:
    stage = Stage("s", Role.FINISH, settings=told)
    claim = Claim(1, 1, "job", "s", Role.FINISH, ordinal, 0.0, partials=partials)
    engine: Any = None
    return Errand(Plan((stage,), 1), stage, claim, storage, engine)


@dataclass(frozen=True)
class Waiting:
    """A run as the catalog sees it."""

    partial: Partial
    segment: Segment

    @property
    def name(self) -> str:
        return f"{self.partial.key}/{self.segment.partition:09}"

    @property
    def room_bytes(self) -> int:
        return self.segment.length


@settings(deadline=None)
@given(
    tasks=st.lists(st.lists(st.integers(0, 300), max_size=12), max_size=6),
    max_bytes=st.integers(150, 600),
    zipped=st.booleans(),
)
def test_any_lines(storage: LocalStorage, tasks: list[list[int]], max_bytes: int, zipped: bool) -> None:
    numbers = iter(range(10_000))
    written = [[line(next(numbers), size) for size in sizes] for sizes in tasks]
    parts = compose_all(storage, written, max_bytes, zipped=zipped)
    assert [part.ordinal for part in parts] == list(range(1, len(parts) + 1))
    assert [part.name for part in parts] == [
        f"Z9000_{n:04}_error.ndjson{'.gz' if zipped else ''}" for n in range(1, len(parts) + 1)
    ]
    found: Counter[bytes] = Counter()
    for part in parts:
        data = b"".join(storage.stream(part.key))
        assert (part.bytes, part.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        lines = (gzip.decompress(data) if zipped else data).splitlines(keepends=True)
        assert part.records == len(lines) > 0
        assert len(data) <= max_bytes or len(lines) == 1
        found.update(lines)
    assert found == Counter(each for lines in written for each in lines)


def test_runs_are_fitted_together_largest_first(storage: LocalStorage) -> None:
    lengths = [40, 60, 30, 70, 20]
    tasks = [[line(number, length - len(line(number, 0)))] for number, length in enumerate(lengths)]
    parts = compose_all(storage, tasks, 100, zipped=False)
    # 70 + 30, 60 + 40, 20.
    assert [part.bytes for part in parts] == [100, 100, 20]


def test_nothing_makes_no_part(storage: LocalStorage) -> None:
    assert compose_all(storage, [[], []], 100, zipped=False) == []


def test_more_failed_keys_than_allowed_fail_the_job(storage: LocalStorage) -> None:
    left = tuple(Partial(f"{n}", n, "s", (Segment("errors", 0, 0, n, n, run=True),)) for n in (1, 2))
    compose.check(errand(storage, CheckSettings(3).to_json(), left))
    with pytest.raises(ExecutionError, match=r"3 keys failed, more than max_failed_keys \(2\)"):
        compose.check(errand(storage, CheckSettings(2).to_json(), left))


def test_memory_stays_flat() -> None:
    """Lines are stored as they come: a buffer of them is held, not the run."""
    largest = 0

    class Watched(LocalStorage):
        def put(self, key: str, data: Any) -> int:
            def watched() -> Iterator[bytes]:
                nonlocal largest
                for buffer in data:
                    largest = max(largest, len(buffer))
                    yield buffer

            return super().put(key, watched())

    with tempfile.TemporaryDirectory() as folder:
        lines = (line(number, 100_000) for number in range(400))
        partial = RunWriter(10 * 2**20, PlainSink).store(Watched(Path(folder)), "partial", [("records", lines)])
    assert partial is not None
    assert partial.bytes > 40_000_000
    assert largest < 2 * 2**20
