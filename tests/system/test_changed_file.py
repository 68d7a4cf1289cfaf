"""A file that is cut short while a task looks at it ends that task's process, and then the job, with a clear error."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tolva.cli.house import task_setup
from tolva.config import Settings, embedded
from tolva.errors import InputError
from tolva.formats import delimited
from tolva.formats.files import mapped
from tolva.jobs.documents import validate
from tolva.jobs.prepare import PrepareOrRun
from tolva.jobs.run import Run, RunSettings
from tolva.work.children import Call, Children, Setup


@dataclass(frozen=True)
class CuttingShort:
    """Gets children ready in which a file is cut short as soon as its bytes are mapped."""

    setup: Setup
    path: Path

    def __call__(self) -> Call:
        def cut_short(*place: int) -> memoryview:
            data = mapped(*place)  # type: ignore[arg-type]
            os.truncate(self.path, 10)
            return data

        delimited.mapped = cut_short
        return self.setup()


def test_a_file_cut_short_under_a_task(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,text\n" * 100_000)
    settings = Settings(tmp_path / "state", 1, 2**25, 2**29, 15.0, None)
    children = Children(1, CuttingShort(PrepareOrRun(task_setup(settings)), path))
    document = validate({"kind": "query", "tables": {"t": {"files": "t.csv"}}, "queries": {"q": "FROM t"}}, "test")
    run = Run(partial(embedded, settings), children, RunSettings(settings.state, 1, settings.chunk_bytes))
    try:
        with pytest.raises(InputError, match=r"^t\.csv has changed since the job was submitted; submit it again"):
            run.execute(document, tmp_path, tmp_path / "results", resume=False, report=lambda _: None)
    finally:
        children.close()
    catalog = embedded(settings).catalog
    (job,) = catalog.jobs()
    first, *_, last = [attempt.error or {} for attempt in catalog.attempts(job.id)]
    catalog.close()
    assert (first["code"], "SIGBUS" in first["message"]) == ("worker_lost", True)
    assert (last["code"], last["data"]["file"]) == ("input", "t.csv")
