"""Attacks cost only their own job: each ends with a clear error, within its memory, while a neighbour is answered."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from attacks import BOMBS, REFUSALS, Attack

from tolva.errors import TolvaError
from tolva.jobs.kernels import KERNELS
from tolva.jobs.prepare import PrepareOrRun, QueryBrief, ToPrepare
from tolva.model import Claim, Done
from tolva.plan import Role
from tolva.planner import Query
from tolva.storages.local import LocalStorage
from tolva.work.children import Cancel, Children
from tolva.work.limits import MARGIN_BYTES
from tolva.work.setup import TaskSetup, bury

MEMORY_BYTES = 256 * 2**20
DISK_BYTES = 64 * 2**20
START_BYTES = 384 * 2**20
"""What a child has before its first task, code and reserved addresses included."""

DEADLINE_SECONDS = 1.0
PLANNING_SECONDS = 4.0
PATIENT_SECONDS = 120.0

QUESTION = "SELECT count(*) AS n, sum(range) AS s FROM range(1000)"
ANSWER = b"1000,499500\n"


class House:
    """Children with small limits, and the storage that they write to."""

    def __init__(self, folder: Path) -> None:
        self.storage = LocalStorage(folder / "storage")
        self.spill = folder / "spill"
        tasks = TaskSetup(
            partial(LocalStorage, folder / "storage"),
            memory_bytes=MEMORY_BYTES,
            threads=1,
            threads_alone=1,
            spill=self.spill,
            kernels=KERNELS,
            remote=False,
            disk_bytes=DISK_BYTES,
        )
        self.children = Children(2, PrepareOrRun(tasks), bury=partial(bury, self.spill), preload=["tolva.work.task"])

    def answer(self, sql: str, *, hurry: bool = False) -> bytes:
        """Plan and run a query, each in a child; return the records of its answer.

        Raises what the job would have failed with.
        """
        brief = QueryBrief({}, {"q": Query(sql)}, Path())
        prepared = self.children.run(
            ToPrepare(brief), deadline_seconds=PLANNING_SECONDS if hurry else PATIENT_SECONDS, cancel=Cancel()
        )
        plan = prepared.plan
        claim = Claim(1, 1, f"job{threading.get_ident()}", plan.stages[-1].name, Role.FINISH, 0, 0.0)
        request = [(pickle.dumps(plan), [claim])]
        seconds = DEADLINE_SECONDS if hurry else PATIENT_SECONDS
        (outcome,) = self.children.run(request, deadline_seconds=seconds, cancel=Cancel())
        if not isinstance(outcome, Done):
            raise TolvaError.from_dict(outcome.error)
        written = b"".join(bytes(self.storage.get(part.key)[0]) for part in outcome.parts)
        return written.partition(b"\n")[2]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    one = House(tmp_path_factory.mktemp("house"))
    yield one
    one.children.close()
    assert not list(one.spill.glob("*"))


class Peaks:
    """The most memory that any child had, watched from outside."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._over = threading.Event()
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for pid in self._children.pids:
                self.bytes = max(self.bytes, _peak(pid))


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), default=0)


def attempt(house: House, attack: Attack) -> tuple[str, str, bytes]:
    """Return what came of an attack: "answer", "late" or the code of its error, what was said, and the answer."""
    try:
        return "answer", "", house.answer(attack.sql, hurry="late" in attack.ends)
    except TolvaError as error:
        return "late" if "deadline_seconds" in error.data else error.code, error.message, b""


@pytest.mark.parametrize("attack", REFUSALS, ids=lambda attack: attack.name)
def test_what_would_reach_out_is_refused(house: House, attack: Attack) -> None:
    end, said, _ = attempt(house, attack)
    assert (end, said.startswith("Query 'q'")) == ("query", True)


@pytest.mark.parametrize("attack", BOMBS, ids=lambda attack: attack.name)
def test_a_bomb_costs_only_its_own_job(house: House, attack: Attack) -> None:
    # Given a neighbour who asks something at the same time
    with ThreadPoolExecutor(1) as threads, Peaks(house.children) as peaks:
        neighbour = threads.submit(house.answer, QUESTION)
        # When the attack is made
        end, said, answer = attempt(house, attack)
        # Then the neighbour gets the right answer
        assert neighbour.result() == ANSWER
    # And the attack ends as it must, says why, and stays within its memory
    assert end in attack.ends, said
    assert end == "answer" or len(said) > 20
    assert end != "answer" or answer == attack.answer
    assert peaks.bytes < START_BYTES + MEMORY_BYTES + MARGIN_BYTES
    if os.environ.get("TOLVA_SHOW_ATTACKS"):
        print(f"{attack.name}: {end}, {peaks.bytes >> 20} MiB: {said}")


def test_attacks_are_many() -> None:
    names = [attack.name for attack in [*REFUSALS, *BOMBS]]
    assert len(names) == len(set(names)) >= 40


def test_nothing_was_left_behind(house: House) -> None:
    assert not list(Path("/tmp").glob("tolva-attack*"))  # noqa: S108 - attacks try to write there
    assert house.answer(QUESTION) == ANSWER
