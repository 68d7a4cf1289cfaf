"""Users' SQL runs without a network, whatever else is asked of the same process."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from tolva.model import Claim, Done
from tolva.plan import SQL_KERNEL, Plan, Role, Stage
from tolva.storages.local import LocalStorage
from tolva.work import task
from tolva.work.children import Spent
from tolva.work.kernel import Errand
from tolva.work.task import Tasks

_PLAN = Plan((Stage("fetch", Role.SCAN, kernel="fetch"), Stage("answer", Role.SCAN, kernel=SQL_KERNEL)), 1)
_SEEN: list[str] = []


def note(errand: Errand) -> Done:
    """Do nothing, and note for which stage."""
    _SEEN.append(errand.stage.name)
    return Done(errand.claim.task_id, errand.claim.attempt)


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tasks:
    _SEEN.clear()

    def refuse(*, network: bool) -> None:
        _SEEN.append("with network" if network else "sealed")

    monkeypatch.setattr(task, "refuse_calls", refuse)
    here = f"{__name__}:note"
    engine: Any = None
    return Tasks(LocalStorage(tmp_path), {"fetch": here, SQL_KERNEL: here}, engine, remote=False)


def ask(tasks: Tasks, *stages: str) -> list[int]:
    claims = [Claim(n, 1, "j", stage, Role.SCAN, n, 0.0) for n, stage in enumerate(stages)]
    outcomes, healthy = tasks([(pickle.dumps(_PLAN), claims)])
    assert healthy
    return [outcome.task_id for outcome in outcomes]


def test_tasks_that_need_the_network_go_first_and_sql_runs_sealed(tasks: Tasks) -> None:
    assert ask(tasks, "answer", "fetch", "answer") == [1, 0, 2]
    assert _SEEN == ["fetch", "sealed", "answer", "answer"]


def test_a_sealed_process_leaves_them_to_another(tasks: Tasks) -> None:
    ask(tasks, "answer")
    with pytest.raises(Spent):
        ask(tasks, "answer", "fetch")
    assert _SEEN == ["sealed", "answer"]
