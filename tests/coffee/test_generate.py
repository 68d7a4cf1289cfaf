"""Generating is repeatable, and never leaves a directory that looks whole but isn't."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tolva.coffee.generate import MANIFEST, UNFINISHED, generate
from tolva.errors import OutputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

KILLED_GENERATION = """
import os, signal, sys
from pathlib import Path
from tolva.coffee.generate import generate

def stop(done, total):
    if done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)

generate(Path(sys.argv[1]), transactions=2_000, progress=stop)
"""


def digest(root: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.csv")):
        whole.update(f"{path.relative_to(root)}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def written(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_the_bytes_are_those_of_the_first_release(tmp_path: Path) -> None:
    """If this fails because rows were changed on purpose, raise the version in the manifest too."""
    generate(tmp_path, transactions=1_000)
    assert digest(tmp_path) == "bc6b640f686d564c9019c398625550434bae856f7cb11d505fb66c429ee47b41"


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    for name, seed in [("one", 3), ("two", 3), ("other", 4)]:
        generate(tmp_path / name, transactions=40_000, seed=seed)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert digest(tmp_path / "one") != digest(tmp_path / "other")


@pytest.mark.parametrize("transactions", [1, 2, 19, 20, 21, 137])
def test_the_smallest_sizes_work(tmp_path: Path, transactions: int) -> None:
    summary = generate(tmp_path, transactions=transactions)
    lines = [len(path.read_text().splitlines()) - 1 for path in tmp_path.glob("transactions/transactions_*.csv")]
    assert summary.transactions == transactions == sum(lines)


def test_progress_ends_at_all(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(tmp_path, transactions=3_000, progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [3_000] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (3_000, 3_000)


def test_a_second_call_writes_nothing(tmp_path: Path) -> None:
    first = generate(tmp_path, transactions=1_500)
    before = written(tmp_path)
    assert generate(tmp_path, transactions=1_500) == first
    assert written(tmp_path) == before


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_missing_or_cut_file_is_made_again(tmp_path: Path, damage: str) -> None:
    generate(tmp_path, transactions=1_500)
    whole = digest(tmp_path)
    victim = tmp_path / "users" / "users_202405.csv"
    victim.unlink() if damage == "gone" else victim.write_bytes(victim.read_bytes()[:-5])
    generate(tmp_path, transactions=1_500)
    assert digest(tmp_path) == whole


def test_data_of_another_seed_or_size_is_replaced(tmp_path: Path) -> None:
    generate(tmp_path / "fresh", transactions=1_200, seed=2)
    generate(tmp_path / "used", transactions=1_500)
    generate(tmp_path / "used", transactions=1_500, seed=2)
    generate(tmp_path / "used", transactions=1_200, seed=2)
    assert digest(tmp_path / "used") == digest(tmp_path / "fresh")


def test_killed_data_does_not_look_whole_and_is_made_again(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    generate(killed, transactions=1_500)
    ended = subprocess.run([sys.executable, "-c", KILLED_GENERATION, killed], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (killed / MANIFEST).exists()

    generate(killed, transactions=2_000)
    generate(tmp_path / "clean", transactions=2_000)
    assert digest(killed) == digest(tmp_path / "clean")
    assert {path.name for path in killed.iterdir() if path.is_file()} == {MANIFEST}
    assert not list(killed.rglob("*.partial"))


def test_every_file_is_whole_under_its_name_when_killed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_GENERATION, tmp_path / "killed"], check=False)
    generate(tmp_path / "clean", transactions=2_000)
    files = list((tmp_path / "killed").rglob("*.csv"))
    assert files
    for path in files:
        assert path.read_bytes() == (tmp_path / "clean" / path.relative_to(tmp_path / "killed")).read_bytes()
    assert (tmp_path / "killed" / UNFINISHED).exists()


@pytest.mark.parametrize("foreign", ["notes.txt", MANIFEST])
def test_somebody_elses_directory_is_left_alone(tmp_path: Path, foreign: str) -> None:
    (tmp_path / foreign).write_text("{}")
    with pytest.raises(OutputError, match=r"isn't empty.* Name a new or empty directory"):
        generate(tmp_path, transactions=1_000)
    assert [path.name for path in tmp_path.iterdir()] == [foreign]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Choose a directory"):
        generate(tmp_path / "file" / "below", transactions=1_000)
    with pytest.raises(OutputError, match="Choose a directory"):
        generate(tmp_path / "file", transactions=1_000)


@pytest.mark.parametrize(("transactions", "seed"), [(0, 0), (-5, 0), (10, -1)])
def test_impossible_sizes_are_refused(tmp_path: Path, transactions: int, seed: int) -> None:
    with pytest.raises(UsageError, match="at least 1 transaction"):
        generate(tmp_path / "new", transactions=transactions, seed=seed)
    assert not (tmp_path / "new").exists()
