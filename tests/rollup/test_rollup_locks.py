from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rollup_kit import MakeRollup

from patience import within
from tolva.errors import CancelledError, InputError, OutputError, StateError, StorageError
from tolva.rollup import Progress, Rollup

RUN = "import sys; from tolva.rollup import Rollup; Rollup(sys.argv[1], 'job', 'Z9000', 100, 2).run(0.01, print)"
CANCEL_SECONDS = 2


def start_run(root: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-uc", RUN, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


class TestTwoAggregators:
    def test_one_works_the_other_leaves_with_a_message(self, make_rollup: MakeRollup, tmp_path: Path) -> None:
        rollup = make_rollup()
        child = start_run(tmp_path)
        with pytest.raises(StateError, match="another aggregator is at work"):
            rollup.run()
        with pytest.raises(StateError, match="another aggregator is at work"):
            rollup.aggregate()
        rollup.finish()
        child.communicate()
        assert child.returncode == 0
        assert rollup.is_done()

    def test_a_killed_one_leaves_no_lock(self, make_rollup: MakeRollup, tmp_path: Path) -> None:
        rollup = make_rollup()
        child = start_run(tmp_path)
        child.kill()
        child.communicate()
        assert not rollup.aggregate()


class TestCancel:
    def test_a_waiting_run_stops_at_once(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        looked = threading.Event()
        with ThreadPoolExecutor() as pool:
            running = pool.submit(rollup.run, 3600, lambda _: looked.set())
            looked.wait()
            rollup.cancel()
            with pytest.raises(CancelledError):
                running.result(timeout=within(CANCEL_SECONDS))
        assert not any(rollup.path.parent.iterdir())

    def test_a_run_amid_a_copy_stops(self, make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch) -> None:
        rollup = make_rollup()
        for name in "abc":
            (rollup.path / "finished" / name).write_bytes(b"x\n")
        rollup.finish()
        copy, copied = os.copy_file_range, []

        def copy_and_cancel(*args: int) -> int:
            copied.append(copy(*args))
            rollup.cancel()
            return copied[-1]

        monkeypatch.setattr(os, "copy_file_range", copy_and_cancel)
        with pytest.raises(CancelledError):
            rollup.run()
        assert len(copied) == 1
        assert not any(rollup.path.parent.iterdir())

    def test_streams_stop_at_their_next_record(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        stream = rollup.stream()
        stream.write("x")
        rollup.cancel()
        with pytest.raises(CancelledError):
            stream.write("y")
        with pytest.raises(StateError):
            rollup.stream()
        assert not any(rollup.path.parent.iterdir())

    def test_a_stream_that_closes_after_it_leaves_nothing(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        stream = rollup.stream()
        stream.write("x")
        rollup.cancel()
        with pytest.raises(CancelledError):
            stream.close()
        assert not any(rollup.path.parent.iterdir())

    def test_other_processes_stop_too(self, make_rollup: MakeRollup, tmp_path: Path) -> None:
        rollup = make_rollup()
        child = start_run(tmp_path)
        rollup.cancel()
        _, stderr = child.communicate(timeout=within(CANCEL_SECONDS))
        assert child.returncode == 1
        assert "CancelledError" in stderr

    def test_it_may_be_repeated_and_the_job_begun_again(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        old = rollup.stream()
        old.write("old")
        rollup.cancel()
        rollup.cancel()
        with pytest.raises(CancelledError):
            rollup.run()
        rollup.prepare()
        with pytest.raises(CancelledError):
            old.write("old")
        with rollup.stream() as stream:
            stream.write("new")
        rollup.finish()
        rollup.run()
        assert rollup.parts()[0].read_bytes() == b"new\n"

    def test_what_a_killed_cancel_left_is_removed(self, make_rollup: MakeRollup) -> None:
        rollup = make_rollup()
        rollup.path.rename(rollup.path.with_name(".job.1f.cancelled"))
        make_rollup()
        assert [path.name for path in rollup.path.parent.iterdir()] == ["job"]


class TestTrouble:
    def test_a_full_disk_loses_nothing(self, make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch) -> None:
        rollup = make_rollup()
        (rollup.path / "finished" / "a").write_bytes(b"x\n")
        rollup.finish()

        def full(*_args: int) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "copy_file_range", full)
            with pytest.raises(StorageError, match="No space left"):
                rollup.run()
        assert [path.name for path in rollup.path.iterdir()] == ["finished"]
        assert rollup.run() == 1

    def test_inputs_that_cannot_be_deleted_are_not_rolled_up_twice(
        self, make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rollup = make_rollup(max_bytes=10)
        for letter in "abc":
            (rollup.path / "finished" / letter).write_bytes(letter.encode() * 9 + b"\n")
        rollup.finish()
        unlink = os.unlink

        def refuse_one(path: str, **options: int) -> None:
            if path == "finished/a":
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            unlink(path, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse_one)
            with pytest.raises(StorageError, match="finished/a"):
                rollup.run()
        rollup.run()
        assert [part.read_bytes()[:1] for part in rollup.parts()] == [b"a", b"b", b"c"]

    @pytest.mark.parametrize("refusal", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
    def test_without_copy_file_range_the_kernel_still_copies(
        self, make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch, refusal: int
    ) -> None:
        rollup = make_rollup(max_bytes=10_000)
        (rollup.path / "finished" / "a").write_bytes(b"x" * 5000 + b"\n")
        (rollup.path / "finished" / "b").write_bytes(b"y" * 400)
        rollup.finish()

        def refused(*_args: int) -> int:
            raise OSError(refusal, os.strerror(refusal))

        monkeypatch.setattr(os, "copy_file_range", refused)
        rollup.run()
        assert rollup.parts()[0].read_bytes() == b"x" * 5000 + b"\n" + b"y" * 400 + b"\n"

    def test_a_part_that_appears_from_elsewhere_is_never_overwritten(
        self, make_rollup: MakeRollup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rollup = make_rollup()
        (rollup.path / "finished" / "a").write_bytes(b"x\n")
        rollup.finish()
        foreign = rollup.path / "Z9000_0001.ndjson"
        write = "tolva.rollup.journal.write"
        original = sys.modules["tolva.rollup.journal"].write
        monkeypatch.setattr(write, lambda *args: (original(*args), foreign.write_bytes(b"foreign\n")))
        with pytest.raises(OutputError, match="isn't ours"):
            rollup.run()
        with pytest.raises(OutputError, match="isn't ours"):
            rollup.run()
        assert foreign.read_bytes() == b"foreign\n"
        foreign.rename(rollup.path / "elsewhere")
        assert rollup.run() == 1
        assert foreign.read_bytes() == b"x\n"

    def test_a_job_without_a_folder_is_named(self, tmp_path: Path) -> None:
        rollup = Rollup(tmp_path, "nothing", "P")
        for call in (rollup.aggregate, rollup.run, rollup.finish):
            with pytest.raises(InputError, match="prepare the job first"):
                call()
        assert not rollup.is_done()
        assert not rollup.parts()

    def test_errors_of_the_progress_callback_are_its_own(self, make_rollup: MakeRollup) -> None:
        def broken(_progress: Progress) -> None:
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            make_rollup().run(0.01, broken)
