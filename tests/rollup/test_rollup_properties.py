from __future__ import annotations

import random
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tolva.rollup import Rollup

CAP = 40

# A file is a list of record lengths and whether its last record has a newline.
files = st.lists(st.tuples(st.lists(st.integers(1, 60), max_size=6), st.booleans()), max_size=25)


def content_of(number: int, lengths: list[int], *, newline: bool) -> bytes:
    lines = [f"{number}.{index}".ljust(length, "x") for index, length in enumerate(lengths)]
    return ("\n".join(lines) + ("\n" if newline and lines else "")).encode()


def room(content: bytes) -> int:
    return len(content) + (not content.endswith(b"\n") and len(content) != CAP)


def greedy_best_fit(sizes: list[int]) -> list[int]:
    """Say what the rules say, in the plainest way: the sizes of the parts."""
    left, parts = sorted(sizes, reverse=True), []
    while left:
        part = left.pop(0)
        while fitting := [size for size in left if part + size <= CAP]:
            part += fitting[0]
            left.remove(fitting[0])
        parts.append(part)
    return parts


@pytest.mark.usefixtures("no_fsync")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=files)
def test_any_set_of_files(written: list[tuple[list[int], bool]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        rollup = Rollup(root, "job", "P", CAP, 2)
        rollup.prepare()
        contents = [content_of(number, lengths, newline=newline) for number, (lengths, newline) in enumerate(written)]
        for number, content in enumerate(contents):
            (rollup.path / "finished" / f"{number}").write_bytes(content)
        rollup.finish()
        built = rollup.run()
        parts = [part.read_bytes() for part in rollup.parts()]

    full = [content for content in contents if content]
    assert [len(part) for part in parts] == greedy_best_fit([room(content) for content in full])
    assert built == len(parts)
    assert all(len(part) <= CAP or any(part.strip() == content.strip() for content in full) for part in parts)
    assert Counter(line for part in parts for line in part.splitlines()) == Counter(
        line for content in full for line in content.splitlines()
    )


@pytest.mark.usefixtures("no_fsync")
@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    streams=st.lists(st.lists(st.integers(1, 60), max_size=12), max_size=8),
    multiplier=st.sampled_from([0, 0.5, 1, 2, 3]),
)
def test_streams_and_steps_in_any_order(streams: list[list[int]], multiplier: float) -> None:
    with tempfile.TemporaryDirectory() as root:
        rollup = Rollup(root, "job", "P", CAP, multiplier)
        rollup.prepare()
        expected: Counter[str] = Counter()
        for number, lengths in enumerate(streams):
            with rollup.stream() as stream:
                for index, length in enumerate(lengths):
                    record = f"{number}.{index}".ljust(length, "x")
                    stream.write(record)
                    expected[record] += 1
            while rollup.aggregate():
                pass
            left = sum(path.stat().st_size for path in (rollup.path / "finished").iterdir())
            assert left <= multiplier * CAP
        rollup.finish()
        rollup.run()
        parts = [part.read_text() for part in rollup.parts()]

    assert all(len(part) <= CAP or part.count("\n") == 1 for part in parts)
    assert Counter(line for part in parts for line in part.splitlines()) == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_100_writers_of_250_records_while_parts_are_built(tmp_path: Path, seed: int) -> None:
    rollup = Rollup(tmp_path, "job", "Z9000", 1_000_000, 2)
    rollup.prepare()

    def write(number: int) -> list[str]:
        rng = random.Random(seed * 1000 + number)
        records = [f'{{"id":"{number}.{index}","x":"{"y" * rng.randrange(2000)}"}}' for index in range(250)]
        with rollup.stream(errors=number % 10 == 0) as stream:
            for record in records:
                stream.write(record)
        return records

    with ThreadPoolExecutor(17) as pool:
        aggregator = pool.submit(rollup.run, 0.005)
        written = list(pool.map(write, range(100)))
        rollup.finish()
        built = aggregator.result()

    parts = rollup.parts()
    assert built == len(parts)
    assert all(part.stat().st_size <= 1_000_000 for part in parts)
    found = [line for part in parts for line in part.read_text().splitlines()]
    assert Counter(found) == Counter(record for records in written for record in records)
    errors = [line for part in parts if "_error" in part.name for line in part.read_text().splitlines()]
    assert Counter(errors) == Counter(record for records in written[::10] for record in records)
