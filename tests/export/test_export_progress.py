"""What is said of an export while it runs."""

from __future__ import annotations

from itertools import count

import pytest

from tolva.cli import progress
from tolva.model import Progress, StageProgress
from tolva.plan import Role


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, *, fetched: bool) -> str:
    clock = count(step=20)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    stages = (
        StageProgress("fetch", Role.SCAN, created=2, done=2 if fetched else 1, ended=fetched, records=1500),
        StageProgress("compose", Role.FINISH, created=1, done=0, ended=False),
    )
    with progress.shown_progress(quiet=False, kind=kind) as report:
        report(Progress(2**20, 2**19, 1500, stages))
    return capsys.readouterr().err


def test_keys_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(monkeypatch, capsys, "export", fetched=False) == "fetching: 1,500 keys, 75 keys/s\n"
    assert told(monkeypatch, capsys, "export", fetched=True) == "composing: 1,500 keys, 75 keys/s\n"
    assert told(monkeypatch, capsys, "query", fetched=False) == "scanning: 0 of 1 MB, 1,500 records, 0 MB/s\n"
