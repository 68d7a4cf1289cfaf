from __future__ import annotations

import gzip
import itertools
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rollup_kit import MakeRollup, finish_file

from tolva.errors import InputError, StateError, UsageError
from tolva.rollup import Progress, Rollup, roll_up
from tolva.rollup.finished import FinishedFile

pytestmark = pytest.mark.usefixtures("no_fsync")


def line(size_bytes: int, letter: str = "x") -> bytes:
    return letter.encode() * (size_bytes - 1) + b"\n"


def sizes(rollup: Rollup) -> list[int]:
    return [part.stat().st_size for part in rollup.parts()]


def names(rollup: Rollup) -> list[str]:
    return [part.name for part in rollup.parts()]


def waiting(rollup: Rollup) -> list[str]:
    return sorted(path.name for path in (rollup.path / "finished").iterdir())


class TestWhileWritersAreAtWork:
    def test_exactly_multiplier_times_cap_is_not_enough(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100, multiplier=2)
        for name in ("a", "b", "c", "d"):
            finish_file(rollup, name, line(50))
        assert not rollup.aggregate()
        assert not rollup.parts()

    def test_one_byte_more_is_enough(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100, multiplier=2)
        for name, size in (("a", 50), ("b", 50), ("c", 50), ("d", 51)):
            finish_file(rollup, name, line(size))
        assert rollup.aggregate()
        assert sizes(rollup) == [51]
        assert not rollup.aggregate()

    def test_data_and_errors_are_counted_apart(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100, multiplier=2)
        finish_file(rollup, "a.ndjson", line(100))
        finish_file(rollup, "b.ndjson", line(100))
        finish_file(rollup, "c_error.ndjson", line(100))
        assert not rollup.aggregate()
        finish_file(rollup, "d_error.ndjson", line(101))
        assert rollup.aggregate()
        assert names(rollup) == ["Z9000_0001_error.ndjson"]

    def test_it_goes_on_while_there_is_more_than_the_threshold(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100, multiplier=1.5)
        for number in range(5):
            finish_file(rollup, f"{number}", line(60))
        built = [rollup.aggregate() for _ in range(5)]
        assert built == [True, True, True, False, False]
        assert sizes(rollup) == [60, 60, 60]

    def test_a_missing_finished_folder_is_not_the_end(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        (rollup.path / "finished").rmdir()
        assert not rollup.aggregate()
        assert not rollup.is_done()


class TestAfterEnd:
    def test_everything_left_is_taken_and_finished_is_removed(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a", line(1))
        rollup.finish()
        assert not rollup.is_done()
        assert rollup.run() == 1
        assert rollup.is_done()
        assert sizes(rollup) == [1]
        assert sorted(path.name for path in rollup.path.iterdir()) == ["Z9000_0001.ndjson"]

    def test_no_files_no_parts(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        rollup.finish()
        assert rollup.run() == 0
        assert rollup.is_done()
        assert not rollup.parts()
        assert rollup.run() == 0

    def test_aggregate_alone_comes_to_the_end_as_well(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a", line(60))
        finish_file(rollup, "b", line(60))
        rollup.finish()
        built = list(itertools.takewhile(lambda _: not rollup.is_done(), iter(rollup.aggregate, None)))
        assert built == [True, True]
        assert rollup.is_done()

    def test_finish_may_be_repeated(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        rollup.finish()
        rollup.finish()
        assert not (rollup.path / "streaming").exists()

    def test_finish_throws_away_what_killed_writers_left(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        (rollup.path / "streaming" / "half.ndjson").write_bytes(b'{"a":')
        rollup.finish()
        assert rollup.run() == 0

    def test_no_stream_after_the_end(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        rollup.finish()
        with pytest.raises(StateError, match="has ended"):
            rollup.stream()

    def test_no_end_while_a_stream_is_open(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        with rollup.stream() as stream:
            stream.write("{}")
            with pytest.raises(StateError, match="close all streams"):
                rollup.finish()
        rollup.finish()
        rollup.run()
        assert rollup.parts()[0].read_bytes() == b"{}\n"


class TestBestFit:
    @pytest.mark.parametrize(
        ("files", "parts"),
        [
            ([100], [[100]]),
            ([50, 50], [[50, 50]]),
            ([51, 50], [[51], [50]]),
            ([10, 90, 20, 80], [[90, 10], [80, 20]]),
            ([60, 50, 40, 30], [[60, 40], [50, 30]]),
            ([40, 40, 40, 40, 40], [[40, 40], [40, 40], [40]]),
            ([70, 29, 2, 1], [[70, 29, 1], [2]]),
            ([99, 2, 1], [[99, 1], [2]]),
            ([101, 1, 99], [[101], [99, 1]]),
            ([250, 250, 1], [[250], [250], [1]]),
            ([1] * 250, [[1] * 100, [1] * 100, [1] * 50]),
        ],
    )
    def test_largest_first_then_whatever_fits(
        self, make_rollup: MakeRollup, files: list[int], parts: list[list[int]]
    ) -> None:
        rollup = make_rollup(max_bytes=100)
        for number, size in enumerate(files):
            finish_file(rollup, f"{number:03}", line(size))
        rollup.finish()
        assert rollup.run() == len(parts)
        assert sizes(rollup) == [sum(part) for part in parts]

    def test_equal_sizes_go_in_the_order_of_names(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100)
        for letter in "cab":
            finish_file(rollup, letter, line(30, letter))
        rollup.finish()
        rollup.run()
        assert rollup.parts()[0].read_bytes() == line(30, "a") + line(30, "b") + line(30, "c")

    def test_empty_files_vanish(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a", b"")
        finish_file(rollup, "b", line(5))
        assert not rollup.aggregate()
        assert waiting(rollup) == ["b"]
        finish_file(rollup, "c", b"")
        rollup.finish()
        assert rollup.run() == 1
        assert sizes(rollup) == [5]


class TestFinalNewline:
    def test_a_missing_one_does_not_glue_records(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a", b'{"a":1}')
        finish_file(rollup, "b", b'{"b":22}')
        rollup.finish()
        rollup.run()
        assert rollup.parts()[0].read_bytes() == b'{"b":22}\n{"a":1}\n'

    def test_it_counts(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100)
        finish_file(rollup, "a", b"x" * 50)
        finish_file(rollup, "b", b"y" * 49)
        rollup.finish()
        rollup.run()
        assert sizes(rollup) == [51, 50]

    def test_it_is_left_out_where_it_alone_would_pass_the_cap(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100)
        finish_file(rollup, "a", b"x" * 100)
        finish_file(rollup, "b", b"y" * 101)
        rollup.finish()
        rollup.run()
        assert sizes(rollup) == [102, 100]

    def test_the_threshold_is_on_the_files_as_they_are(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=100, multiplier=2)
        for name in "abcd":
            finish_file(rollup, name, b"x" * 50)
        assert not rollup.aggregate()


class TestNames:
    def test_data_and_errors_are_numbered_apart(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=10)
        for name in ("a.ndjson", "b.ndjson", "c_error.ndjson", "d_error.ndjson", "e_error.ndjson"):
            finish_file(rollup, name, line(10))
        rollup.finish()
        assert rollup.run() == 5
        assert names(rollup) == [
            "Z9000_0001.ndjson",
            "Z9000_0002.ndjson",
            "Z9000_0001_error.ndjson",
            "Z9000_0002_error.ndjson",
            "Z9000_0003_error.ndjson",
        ]

    def test_numbers_go_on_after_those_that_are_there(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        (rollup.path / "Z9000_0041.ndjson").write_bytes(b"kept\n")
        (rollup.path / "Z9000_0007_error.ndjson").write_bytes(b"kept\n")
        (rollup.path / "Z9001_0099.ndjson").write_bytes(b"another prefix\n")
        finish_file(rollup, "a", line(3))
        finish_file(rollup, "b_error.ndjson", line(3))
        rollup.finish()
        rollup.run()
        assert names(rollup)[1] == "Z9000_0042.ndjson"
        assert names(rollup)[3] == "Z9000_0008_error.ndjson"
        assert (rollup.path / "Z9000_0041.ndjson").read_bytes() == b"kept\n"

    def test_numbers_go_on_when_parts_are_taken_away(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=10, multiplier=0)
        finish_file(rollup, "a", line(10))
        assert rollup.aggregate()
        rollup.parts()[0].unlink()
        finish_file(rollup, "b", line(10))
        again = Rollup(rollup.path.parent, "job", "Z9000", 10, 0)
        assert again.aggregate()
        assert names(again) == ["Z9000_0002.ndjson"]

    def test_more_than_9999(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=10)
        (rollup.path / "Z9000_9999.ndjson").write_bytes(b"kept\n")
        finish_file(rollup, "a", line(10))
        rollup.finish()
        rollup.run()
        assert names(rollup) == ["Z9000_9999.ndjson", "Z9000_10000.ndjson"]

    def test_two_parts_never_share_a_number_plain_and_gzip(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a.ndjson", line(5))
        finish_file(rollup, "b.ndjson.gz", gzip.compress(line(5)))
        rollup.finish()
        rollup.run()
        assert names(rollup) == ["Z9000_0001.ndjson", "Z9000_0002.ndjson.gz"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"job_id": "../other"},
            {"job_id": ""},
            {"prefix": "a/b"},
            {"streaming": "finished"},
            {"max_bytes": 0},
            {"multiplier": -1},
            {"multiplier": float("nan")},
        ],
    )
    def test_what_cannot_be_worked_with_is_refused(self, tmp_path: Path, wrong: dict[str, Any]) -> None:
        with pytest.raises(UsageError):
            Rollup(tmp_path, **({"job_id": "job", "prefix": "Z9000"} | wrong))

    def test_the_folders_may_have_other_names(self, tmp_path: Path) -> None:
        rollup = Rollup(tmp_path, "job", "P", 100, 2, streaming="open", finished="closed")
        rollup.prepare()
        assert sorted(path.name for path in rollup.path.iterdir()) == ["closed", "open"]
        with rollup.stream() as stream:
            stream.write("{}")
        assert len(list((rollup.path / "closed").iterdir())) == 1
        rollup.finish()
        assert rollup.run() == 1


class TestGzip:
    def test_members_are_joined(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=1000)
        finish_file(rollup, "a.ndjson.gz", gzip.compress(b'{"a":1}\n'))
        finish_file(rollup, "b.ndjson.gz", gzip.compress(b'{"b":1}'))
        finish_file(rollup, "c.ndjson.gz", gzip.compress(b'{"c":1}\n'))
        rollup.finish()
        assert rollup.run() == 1
        content = gzip.decompress(rollup.parts()[0].read_bytes())
        assert sorted(content.splitlines(keepends=True)) == [b'{"a":1}\n', b'{"b":1}\n', b'{"c":1}\n']

    def test_a_damaged_file_stops_the_work_and_is_named(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=1000)
        finish_file(rollup, "good.ndjson.gz", gzip.compress(b"{}\n"))
        finish_file(rollup, "bad.ndjson.gz", gzip.compress(b"{}\n" * 1000)[:-9])
        rollup.finish()
        with pytest.raises(InputError, match=r"bad\.ndjson\.gz is not a whole gzip file"):
            rollup.run()
        (rollup.path / "finished" / "bad.ndjson.gz").unlink()
        assert rollup.run() == 1


class TestForeignFiles:
    def test_a_file_that_grows_is_refused_not_cut(
        self, make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a", line(10))
        rollup.finish()
        choose = "tolva.rollup.aggregator.best_fit"

        def grow(files: Iterable[FinishedFile], max_bytes: int) -> list[FinishedFile]:  # noqa: ARG001 - takes the place of best_fit
            with (rollup.path / "finished" / "a").open("ab") as file:
                file.write(line(5))
            return list(files)

        with monkeypatch.context() as patch:
            patch.setattr(choose, grow)
            with pytest.raises(InputError, match="changed while it was rolled up"):
                rollup.run()
        assert sorted(path.name for path in rollup.path.iterdir()) == ["finished"]
        assert rollup.run() == 1
        assert sizes(rollup) == [15]

    def test_a_name_used_again_is_a_new_file(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup(max_bytes=10, multiplier=0)
        finish_file(rollup, "a", line(10, "1"))
        rollup.aggregate()
        finish_file(rollup, "a", line(10, "2"))
        rollup.finish()
        rollup.run()
        assert [part.read_bytes() for part in rollup.parts()] == [line(10, "1"), line(10, "2")]

    def test_hidden_files_and_folders_stop_the_end_by_name(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        finish_file(rollup, "a", line(10))
        finish_file(rollup, ".a.half-copied", line(10))
        rollup.finish()
        with pytest.raises(InputError, match=r"\.a\.half-copied is hidden"):
            rollup.run()
        assert sizes(rollup) == [10]
        (rollup.path / "finished" / ".a.half-copied").unlink()
        assert rollup.run() == 0
        assert rollup.is_done()

    def test_a_shell_script_fills_the_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "out"
        script = """
            mkdir -p $0/streaming $0/finished
            for i in 1 2 3 4 5; do printf '{"i":%d}' $i > $0/streaming/$i; mv $0/streaming/$i $0/finished/; done
            rmdir $0/streaming"""
        subprocess.run(["sh", "-c", script, str(folder)], check=True)
        seen: list[Progress] = []
        assert roll_up(folder, prefix="S", max_bytes=20, multiplier=2, on_progress=seen.append) == 3
        assert [part.name for part in sorted(folder.iterdir())] == ["S_0001.ndjson", "S_0002.ndjson", "S_0003.ndjson"]
        assert [progress.waiting_files for progress in seen] == [3, 1, 0, 0]
        assert seen[-1] == Progress(parts=3, built_bytes=40, waiting_files=0, waiting_bytes=0, ended=True)
        assert roll_up(folder, prefix="S", max_bytes=20) == 0

    def test_a_folder_without_the_two_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="neither streaming/ nor finished/"):
            roll_up(tmp_path, prefix="S")
        with pytest.raises(InputError, match="no folder"):
            roll_up(tmp_path / "missing", prefix="S")
