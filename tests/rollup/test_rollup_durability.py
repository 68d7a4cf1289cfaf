"""A loss of power can't be tried here; the order in which things are made durable can."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from rollup_kit import MakeRollup, finish_file

from tolva.rollup import Rollup
from tolva.rollup.finished import FinishedFile, FinishedFiles

MEMORY_PROGRAM = """
import re, sys
from tolva.rollup import roll_up
roll_up(sys.argv[1], prefix="M", max_bytes=int(sys.argv[2]))
# Not ru_maxrss: that begins with the size of the parent at the fork.
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what is done to the disk, in order, with the names of the files."""
    seen: list[str] = []

    def record(name: str, describe: Callable[..., str]) -> None:
        original = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append(f"{name} {describe(*args)}")
            return original(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    def of_fd(fd: int, *_: object) -> str:
        return Path(f"/proc/self/fd/{fd}").readlink().name

    record("fsync", of_fd)
    record("write", of_fd)
    record("copy_file_range", lambda _source, target, _count: of_fd(target))
    record("rename", lambda old, new: f"{old} {new}")
    record("unlink", lambda name: name)
    return seen


def test_a_closed_stream_is_durable(make_rollup: MakeRollup, effects: list[str]) -> None:
    with make_rollup().stream() as stream:
        stream.write("x")
        effects.clear()
    name = effects[0].split()[1]
    assert effects == [f"write {name}", f"fsync {name}", f"rename {name} ../finished/{name}", "fsync finished"]


def test_inputs_are_deleted_when_their_part_is_durable_and_not_before(
    make_rollup: MakeRollup, effects: list[str]
) -> None:
    rollup = make_rollup()
    finish_file(rollup, "a", b"aa\n")
    finish_file(rollup, "b", b"b\n")
    rollup.finish()
    effects.clear()
    rollup.aggregate()
    journal = ".rollup.json"
    part = "Z9000_0001.ndjson"
    in_order = [effect for effect in effects if effect != f"fsync {rollup.path.name}"]
    in_order[-3:-1] = sorted(in_order[-3:-1])  # inputs are deleted in no order
    assert in_order == [
        f"copy_file_range .{part}.building",
        f"copy_file_range .{part}.building",
        f"fsync .{part}.building",
        f"fsync .{journal}.building",
        f"rename .{journal}.building {journal}",
        f"rename .{part}.building {part}",
        "unlink finished/a",
        "unlink finished/b",
        "fsync finished",
    ]
    for rename in (effect for effect in effects if effect.startswith("rename")):
        assert effects[effects.index(rename) + 1] == f"fsync {rollup.path.name}"


def test_a_stream_closed_just_before_the_end_is_not_forgotten(
    make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollup = make_rollup()
    stream = rollup.stream()
    stream.write("late")
    find = FinishedFiles.find

    def find_then_end(files: FinishedFiles, *args: Any) -> Iterable[FinishedFile]:
        found = find(files, *args)
        stream.close()
        rollup.finish()
        return found

    monkeypatch.setattr(FinishedFiles, "find", find_then_end)
    assert rollup.run(0.001) == 1
    assert rollup.parts()[0].read_bytes() == b"late\n"


def peak_bytes_of_rolling_up(folder: Path, files: int, file_bytes: int) -> int:
    (folder / "finished").mkdir(parents=True)
    block = b"x" * 1023 + b"\n"
    for number in range(files):
        (folder / "finished" / f"{number}").write_bytes(block * (file_bytes // len(block)))
    result = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, str(folder), str(20 * 2**20)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    return int(result.stdout) * 1024


def test_memory_stays_flat(tmp_path: Path) -> None:
    small = peak_bytes_of_rolling_up(tmp_path / "small", files=10, file_bytes=2**17)
    large = peak_bytes_of_rolling_up(tmp_path / "large", files=40, file_bytes=2**22)
    assert large < small + 5 * 2**20
    assert large < 100 * 2**20


def test_a_stream_holds_little(tmp_path: Path) -> None:
    rollup = Rollup(tmp_path, "job", "M")
    rollup.prepare()
    tracemalloc.start()
    try:
        with rollup.stream() as stream:
            for _ in range(2000):
                stream.write("x" * 2**14)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20
