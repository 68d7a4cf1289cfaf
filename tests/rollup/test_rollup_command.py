"""``tolva rollup`` on folders that other programs fill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patience import within
from tolva.rollup.folder import Folder

LINE = b'{"n":1}\n'
GRACE_SECONDS = 2.0


def start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tolva", "rollup", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words: str | Path) -> tuple[int, str, str]:
    process = start(*words)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def once_at_work(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the process has the folder to itself."""
    give_up = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < give_up
        with Folder(folder) as opened:
            if not opened.lock_alone():
                return
        time.sleep(0.01)  # the event of another process, seen by its lock
    raise AssertionError(process.communicate())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ten finished files of 1,000 records, and a program that is still at work."""
    (tmp_path / "out" / "streaming").mkdir(parents=True)
    (tmp_path / "out" / "finished").mkdir()
    for number in range(10):
        suffix = "_error" if number < 3 else ""
        (tmp_path / "out" / "finished" / f"{number}{suffix}.ndjson").write_bytes(LINE * 1000)
    return tmp_path / "out"


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The same on a disk of 128 KB, too small for finished files and parts together."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = folder.parent / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], check=True)
    (disk / "finished").mkdir()
    for file in (folder / "finished").iterdir():
        (disk / "finished" / file.name).write_bytes(file.read_bytes())
    yield disk
    subprocess.run(["umount", disk], check=True)


def names_and_records(folder: Path) -> dict[str, int]:
    return {path.name: path.read_bytes().count(LINE) for path in folder.iterdir()}


def test_a_folder_that_is_complete(folder: Path) -> None:
    (folder / "streaming").rmdir()
    code, out, err = run(folder, "--prefix", "Z9000", "--max-mb", "0.03", "--multiplier", "2")
    assert (code, out, err) == (0, "4 parts built\n", "")
    assert names_and_records(folder) == {
        "Z9000_0001.ndjson": 3000,
        "Z9000_0002.ndjson": 3000,
        "Z9000_0003.ndjson": 1000,
        "Z9000_0001_error.ndjson": 3000,
    }
    code, out, _ = run(folder, "--prefix", "Z9000")
    assert (code, out) == (0, "0 parts built\n")


def test_a_program_that_is_still_at_work(folder: Path) -> None:
    process = start(folder, "--prefix", "Z9000")
    once_at_work(folder, process)
    (folder / "streaming" / "late").write_bytes(LINE)
    (folder / "streaming" / "late").rename(folder / "finished" / "late")
    (folder / "streaming").rmdir()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "2 parts built\n", "")
    assert names_and_records(folder) == {"Z9000_0001.ndjson": 7001, "Z9000_0001_error.ndjson": 3000}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupted_it_leaves_at_once_and_loses_nothing(folder: Path, number: signal.Signals) -> None:
    process = start(folder, "--prefix", "Z9000")
    once_at_work(folder, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=within(GRACE_SECONDS))
    assert (process.returncode, out) == (130, "")
    assert "Nothing is lost" in err
    (folder / "streaming").rmdir()
    assert run(folder, "--prefix", "Z9000")[0] == 0
    assert names_and_records(folder) == {"Z9000_0001.ndjson": 7000, "Z9000_0001_error.ndjson": 3000}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    code, out, err = run(tmp_path / "absent", "--prefix", "Z9000")
    assert (code, out) == (2, "")
    assert f"there is no folder {tmp_path / 'absent'}" in err


def test_a_folder_that_nobody_fills(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "--prefix", "Z9000")
    assert code == 2
    assert "neither streaming/ nor finished/" in err


def test_a_second_one_leaves(folder: Path) -> None:
    with Folder(folder) as first:
        assert first.lock_alone()
        code, _, err = run(folder, "--prefix", "Z9000")
    assert code == 1
    assert "another aggregator is at work" in err


@pytest.mark.parametrize("words", [["--prefix", "a/b"], ["--prefix", "p", "--max-mb", "nan"], []])
def test_options_that_can_t_be(folder: Path, words: list[str]) -> None:
    code, _, err = run(folder, *words)
    assert code == 2
    assert "Traceback" not in err


def test_a_full_disk(small_disk: Path) -> None:
    code, _, err = run(small_disk, "--prefix", "Z9000")
    assert code == 1
    assert "No space left on device" in err
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    assert run(small_disk, "--prefix", "Z9000")[0] == 0
    assert names_and_records(small_disk) == {"Z9000_0001.ndjson": 7000, "Z9000_0001_error.ndjson": 3000}


def test_a_disk_that_can_t_be_written(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    code, _, err = run(small_disk, "--prefix", "Z9000")
    assert code == 1
    assert "Read-only file system" in err
