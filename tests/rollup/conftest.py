from __future__ import annotations

import os
from pathlib import Path

import pytest
from rollup_kit import MakeRollup

from tolva.rollup import Rollup


@pytest.fixture
def make_rollup(tmp_path: Path) -> MakeRollup:
    """Return a maker of prepared roll-ups with a cap of 100 bytes and the multiplier 2."""

    def make(max_bytes: int = 100, multiplier: float = 2, *, gzip: bool = False) -> Rollup:
        rollup = Rollup(tmp_path, "job", "Z9000", max_bytes, multiplier, gzip=gzip)
        rollup.prepare()
        return rollup

    return make


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave durability out of tests that make thousands of small files and don't ask for it."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
